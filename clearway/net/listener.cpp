#include <clearway/net/listener.hpp>

#include <cerrno>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/base/log.hpp>
#include <clearway/net/error.hpp>

namespace clearway {
namespace {

bool has_file(const Address& address) { return address.is_unix() && address.host()[0] != '@'; }

// Nobody listens at the socket file any more.
bool is_stale(const Address& address) noexcept {
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return probe.valid() && ::connect(probe.get(), address.data(), address.size()) != 0 &&
         errno == ECONNREFUSED;
}

// The file has its mode when it appears: Linux gives it the socket's, less the umask. What that
// took away is added afterwards.
Handle listen_with_mode(Driver& driver, Address& address, const ListenOptions& options) {
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid() || ::fchmod(socket.get(), *options.mode) != 0 ||
      ::bind(socket.get(), address.data(), address.size()) != 0) {
    return -errno;
  }
  Handle handle = no_handle;
  if (::chmod(address.host().c_str(), *options.mode) != 0 ||
      ::listen(socket.get(), options.backlog) != 0) {
    handle = -errno;
  } else {
    handle = driver.adopt_listener(socket.get(), address);
  }
  if (handle < 0) ::unlink(address.host().c_str());
  return handle;
}

Handle listen_once(Driver& driver, Address& address, const ListenOptions& options) {
  if (options.mode && has_file(address) && !driver.simulated()) {
    return listen_with_mode(driver, address, options);
  }
  return driver.listen(address, options.backlog, options.reuse_port);
}

std::string advice(const Address& address, int code) {
  if (code == EADDRINUSE) return "; another program listens there, stop it or choose another port";
  if (code == EACCES && !address.is_unix() && address.port() < 1024) {
    return "; ports below 1024 need privileges, choose a higher one";
  }
  if (code == EADDRNOTAVAIL) return "; this machine does not have that address";
  return "";
}

}  // namespace

namespace detail {

bool AcceptAwaiter::start(PromiseBase& frame) {
  if (!listener_.is_open()) {
    throw NetError(NetPhase::accept, "cannot accept on a listener that is closed", EBADF);
  }
  if (listener_.loop_ != Loop::current_or_null()) {
    throw UsageError(fmt::format("the listener on {} belongs to the loop of another thread",
                                 listener_.address().to_string()));
  }
  kind = Kind::accept;
  handle = listener_.handle();
  address = &peer_;
  return !begin(frame) || submit_operation();
}

Stream AcceptAwaiter::await_resume() {
  throw_if_cancelled();
  if (result < 0) {
    throw NetError::from_code(
        NetPhase::accept,
        fmt::format("cannot accept connections on {}", listener_.address().to_string()),
        static_cast<int>(-result));
  }
  return {static_cast<Handle>(result), peer_};
}

}  // namespace detail

Listener::Listener(Handle handle, const Address& address)
    : loop_(&Loop::current()), handle_(handle), address_(address) {}

Listener::Listener(Listener&& other) noexcept
    : loop_(other.loop_),
      handle_(std::exchange(other.handle_, no_handle)),
      address_(other.address_),
      keeps_file_(other.keeps_file_) {}

Listener Listener::borrowed(Handle handle, const Address& address) {
  Listener listener(handle, address);
  listener.keeps_file_ = true;
  return listener;
}

Listener& Listener::operator=(Listener&& other) noexcept {
  if (this == &other) return *this;
  close();
  loop_ = other.loop_;
  handle_ = std::exchange(other.handle_, no_handle);
  address_ = other.address_;
  keeps_file_ = other.keeps_file_;
  return *this;
}

void Listener::close() noexcept {
  if (!is_open()) return;
  const Handle handle = std::exchange(handle_, no_handle);
  if (loop_ != Loop::current_or_null()) {
    log::write(log::Level::error, "net",
               "a listener is destroyed after its loop, or on another thread; it stays open");
    return;
  }
  const bool remove = has_file(address_) && !keeps_file_ && !loop_->driver().simulated();
  if (remove) ::unlink(address_.host().c_str());
  loop_->driver().close(handle);
}

Listener listen(Address address, ListenOptions options) {
  Driver& driver = Loop::current().driver();
  Handle handle = listen_once(driver, address, options);
  if (handle == -EADDRINUSE && has_file(address) && !driver.simulated() && is_stale(address)) {
    ::unlink(address.host().c_str());
    handle = listen_once(driver, address, options);
  }
  if (handle < 0) {
    const int code = -handle;
    const NetError plain = NetError::from_code(
        NetPhase::listen, fmt::format("cannot listen on {}", address.to_string()), code);
    throw NetError(NetPhase::listen, plain.what() + advice(address, code), code);
  }
  // Accepted connections inherit it, which saves a system call for each.
  if (!address.is_unix()) driver.set_no_delay(handle, true);
  return {handle, address};
}

Listener listen(std::string_view host, std::uint16_t port, ListenOptions options) {
  if (host == "*") return listen(Address::any(port), options);
  if (host == "localhost") return listen(Address::loopback(port), options);
  const auto address = Address::ip(host, port);
  if (!address) {
    throw UsageError(fmt::format(
        "cannot listen on \"{}\": give an address of this machine (\"127.0.0.1\", \"::1\"), "
        "\"localhost\", or \"*\" for all",
        host.substr(0, 200)));
  }
  return listen(*address, options);
}

Listener listen_unix(std::string_view path, ListenOptions options) {
  return listen(Address::unix_path(path), options);
}

}  // namespace clearway
