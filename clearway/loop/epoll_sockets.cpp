// The part of the epoll driver that never waits: opening, naming and closing sockets.

#include <cerrno>

#include <clearway/base/descriptor.hpp>
#include <clearway/loop/epoll_driver.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace clearway {
namespace {

constexpr int stream_type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

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
