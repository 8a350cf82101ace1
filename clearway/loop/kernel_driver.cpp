#include <clearway/loop/kernel_driver.hpp>

#include <cerrno>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/base/log.hpp>
#include <clearway/loop/descriptor_limit.hpp>

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

KernelDriver::KernelDriver() : wake_event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_event_.valid()) {
    const int code = errno;
    throw SystemError("cannot start an event loop" + descriptor_limit_hint(code), code);
  }
  raise_descriptor_limit();
}

Instant KernelDriver::now() noexcept { return Instant(Duration(read_clock(CLOCK_MONOTONIC))); }

std::int64_t KernelDriver::wall_clock() noexcept { return read_clock(CLOCK_REALTIME); }

std::uint64_t KernelDriver::random() noexcept {
  if (random_left_ == 0) {
    // At most 256 bytes come whole and without waiting, once the system has booted.
    while (::getrandom(random_.data(), sizeof random_, 0) != sizeof random_) {
    }
    random_left_ = random_.size();
  }
  return random_[--random_left_];
}

void KernelDriver::wake() noexcept {
  if (wake_state_.exchange(notified) != sleeping) return;
  const int saved = errno;  // this may be a signal handler
  const std::uint64_t one = 1;
  // It fails only when 2^64 - 1 wake-ups have come.
  // The system call itself: whoever has put a function of his own before write() is not meant.
  [[maybe_unused]] const long written = ::syscall(SYS_write, wake_event_.get(), &one, sizeof one);
  errno = saved;
}

bool KernelDriver::fall_asleep() noexcept {
  int expected = awake;
  return wake_state_.compare_exchange_strong(expected, sleeping) || expected == sleeping;
}

void KernelDriver::wake_up() noexcept {
  if (wake_state_.load(std::memory_order_relaxed) != awake) wake_state_.exchange(awake);
}

void KernelDriver::say_starved(Handle listener, int code) {
  if (std::exchange(said_starved_, true)) return;
  Address local;
  local_address(listener, local);
  log::write(log::Level::warning, "loop",
             fmt::format("connections to {} wait, since accept fails: {}{}", local.to_string(),
                         system_message(code), descriptor_limit_hint(code)));
}

bool KernelDriver::is_writer(Operation::Kind kind) noexcept {
  return kind == Operation::Kind::send || kind == Operation::Kind::writable ||
         kind == Operation::Kind::connect || kind == Operation::Kind::send_datagram ||
         kind == Operation::Kind::send_datagrams || kind == Operation::Kind::send_file;
}

bool KernelDriver::poll_now(int descriptor, short events) noexcept {
  pollfd query{.fd = descriptor, .events = events, .revents = 0};
  return ::poll(&query, 1, 0) > 0;
}

bool KernelDriver::concerns_one_connection(int code) noexcept {
  switch (code) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

bool KernelDriver::is_want(int code) noexcept {
  return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

Handle KernelDriver::open_stream(int family) {
  const int handle = ::socket(family, stream_type, 0);
  if (handle < 0) return -errno;
  own(handle, Role::stream, family == AF_UNIX);
  return handle;
}

Handle KernelDriver::listen(Address& address, int backlog, bool reuse_port) {
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
  own(socket.get(), Role::listener, address.is_unix());
  return socket.release();
}

Handle KernelDriver::adopt_listener(int descriptor, Address& address) {
  Descriptor socket(::fcntl(descriptor, F_DUPFD_CLOEXEC, 3));
  if (!socket.valid()) return -errno;
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0) return -errno;
  if (const int error = name_of(socket.get(), address, ::getsockname); error != 0) return error;
  own(socket.get(), Role::listener, address.is_unix());
  return socket.release();
}

int KernelDriver::local_address(Handle handle, Address& address) {
  return name_of(handle, address, ::getsockname);
}

int KernelDriver::peer_address(Handle handle, Address& address) {
  return name_of(handle, address, ::getpeername);
}

int KernelDriver::shutdown(Handle handle, int how) {
  return ::shutdown(handle, how) == 0 ? 0 : -errno;
}

void KernelDriver::reset(Handle handle) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(handle, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(handle);
}

int KernelDriver::set_no_delay(Handle handle, bool on) {
  return set_option(handle, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

int KernelDriver::stream_pair(Handle (&handles)[2]) {
  if (::socketpair(AF_UNIX, stream_type, 0, handles) != 0) return -errno;
  for (const Handle handle : handles) own(handle, Role::stream, true);
  return 0;
}

}  // namespace clearway
