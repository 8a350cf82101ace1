// The part of the epoll driver that never waits: clocks, and opening, naming and closing sockets.

#include <cassert>
#include <cerrno>
#include <ctime>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/loop/epoll_driver.hpp>
#include <clearway/loop/epoll_table.hpp>

namespace clearway {
namespace {

constexpr int stream_type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

std::int64_t read_clock(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

int set_option(Handle handle, int level, int option, int value) noexcept {
  return ::setsockopt(handle, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

int name_of(Handle handle, Address& address,
            int (*call)(int, sockaddr*, socklen_t*) noexcept) noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (call(handle, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return -errno;
  address = Address::from_system(reinterpret_cast<sockaddr*>(&storage), size);
  return 0;
}

}  // namespace

Instant EpollDriver::now() noexcept { return Instant(Duration(read_clock(CLOCK_MONOTONIC))); }

std::int64_t EpollDriver::wall_clock() noexcept { return read_clock(CLOCK_REALTIME); }

std::uint64_t EpollDriver::random() noexcept {
  if (random_left_ == 0) {
    // At most 256 bytes come whole and without waiting, once the system has booted.
    while (::getrandom(random_.data(), sizeof random_, 0) != sizeof random_) {
    }
    random_left_ = random_.size();
  }
  return random_[--random_left_];
}

void EpollDriver::own(Handle handle, bool stops_at_messages) {
  Entry& fresh = entry(handle);
  assert(!fresh.owned);
  assert(fresh.readers.empty() && fresh.writers.empty());
  ++fresh.generation;
  fresh.owned = true;
  fresh.registered = false;
  fresh.readable = true;
  fresh.writable = true;
  fresh.hangup = false;
  fresh.stops_at_messages = stops_at_messages;
  ++open_handles_;
}

// The number may be given to another descriptor as soon as this one is closed.
void EpollDriver::disown(Handle handle) noexcept {
  Entry& gone = entry(handle);
  assert(gone.owned);
  assert(gone.readers.empty() && gone.writers.empty());  // whoever closes has ended what it began
  ++gone.generation;
  gone.owned = false;
  gone.registered = false;
  gone.starved = false;
  --open_handles_;
  if (!starved_.empty()) retry_at_ = Instant::min();  // there is a descriptor again
}

Handle EpollDriver::open_stream(int family) {
  const int handle = ::socket(family, stream_type, 0);
  if (handle < 0) return -errno;
  own(handle, family == AF_UNIX);
  return handle;
}

Handle EpollDriver::listen(Address& address, int backlog, bool reuse_port) {
  Descriptor socket(::socket(address.family(), stream_type, 0));
  if (!socket.valid()) return -errno;
  if (!address.is_unix()) {
    // A restarted server must not wait until its predecessor's connections are forgotten.
    set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (reuse_port) {
      if (const int error = set_option(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1); error != 0) {
        return error;
      }
    }
  }
  if (::bind(socket.get(), address.data(), address.size()) != 0) return -errno;
  if (::listen(socket.get(), backlog) != 0) return -errno;
  if (const int error = name_of(socket.get(), address, ::getsockname); error != 0) return error;
  own(socket.get(), address.is_unix());
  return socket.release();
}

int EpollDriver::local_address(Handle handle, Address& address) {
  return name_of(handle, address, ::getsockname);
}

int EpollDriver::peer_address(Handle handle, Address& address) {
  return name_of(handle, address, ::getpeername);
}

int EpollDriver::shutdown(Handle handle, int how) {
  return ::shutdown(handle, how) == 0 ? 0 : -errno;
}

void EpollDriver::close(Handle handle) {
  disown(handle);
  // On Linux the descriptor is gone even when close() was interrupted.
  ::close(handle);
}

void EpollDriver::reset(Handle handle) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(handle, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(handle);
}

int EpollDriver::set_no_delay(Handle handle, bool on) {
  return set_option(handle, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

int EpollDriver::stream_pair(Handle (&handles)[2]) {
  if (::socketpair(AF_UNIX, stream_type, 0, handles) != 0) return -errno;
  for (const Handle handle : handles) own(handle, true);
  return 0;
}

}  // namespace clearway
