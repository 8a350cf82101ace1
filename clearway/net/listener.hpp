#pragma once

// Sockets that wait for connections.
//
//   Listener listener = listen("127.0.0.1", 8080);
//   for (;;) {
//     Stream stream = co_await listener.accept();
//     group.start(serve, std::move(stream));
//   }

#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <clearway/loop/address.hpp>
#include <clearway/net/socket_awaiter.hpp>
#include <clearway/net/stream.hpp>

namespace clearway {

class Listener;

namespace detail {

class AcceptAwaiter final : public SocketAwaiter {
 public:
  explicit AcceptAwaiter(Listener& listener) noexcept : listener_(listener) {}
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return start(handle.promise());
  }
  Stream await_resume();

 private:
  bool start(PromiseBase& frame);

  Listener& listener_;
  Address peer_;
};

class [[nodiscard("co_await it")]] AcceptOperation {
 public:
  explicit AcceptOperation(Listener& listener) noexcept : listener_(&listener) {}
  AcceptAwaiter operator co_await() const noexcept { return AcceptAwaiter(*listener_); }

 private:
  Listener* listener_;
};

}  // namespace detail

class Listener {
 public:
  // A listener that is closed.
  Listener() noexcept = default;
  // Takes over a listening handle of the running loop's driver.
  Listener(Handle handle, const Address& address);
  // The same; the file of a Unix socket stays when it closes.
  static Listener borrowed(Handle handle, const Address& address);
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) noexcept;
  ~Listener() { close(); }

  // The next connection. Several tasks may wait. When the process has no descriptor left it waits
  // until one is closed, and the log says so once. Cancelled: a connection that had arrived waits
  // for the next accept(). Throws NetError.
  [[nodiscard]] detail::AcceptOperation accept() noexcept { return detail::AcceptOperation(*this); }

  // Where it listens; the port is the real one when 0 was asked for.
  [[nodiscard]] const Address& address() const noexcept { return address_; }
  [[nodiscard]] bool is_open() const noexcept { return handle_ != no_handle; }
  [[nodiscard]] Handle handle() const noexcept { return handle_; }
  // Closes, and removes the file of a Unix socket. No accept() may be waiting.
  void close() noexcept;

 private:
  friend class detail::AcceptAwaiter;

  Loop* loop_ = nullptr;
  Handle handle_ = no_handle;
  Address address_;
  bool keeps_file_ = false;
};

// How a listener shares its port and queues connections.
struct ListenOptions {
  // Connections that may wait to be accepted.
  int backlog = 1024;
  // Lets several loops listen on the same port; the kernel deals connections out (SO_REUSEPORT).
  bool reuse_port = false;
  // Who may connect to a Unix socket that has a file: its mode (0660), from the first moment on.
  // Otherwise what the umask leaves.
  std::optional<unsigned> mode = std::nullopt;
};

// Listens on `host`, an IPv4 or IPv6 literal, "localhost" (127.0.0.1), or "*" (all IPv4 addresses),
// with TCP_NODELAY for what is accepted. Port 0 picks one. NetError when that is not possible,
// UsageError when `host` is something else.
Listener listen(std::string_view host, std::uint16_t port, ListenOptions options = {});
Listener listen(Address address, ListenOptions options = {});

// Listens on the Unix socket `path`. The file of a server that is gone is replaced; one that still
// answers is an error.
Listener listen_unix(std::string_view path, ListenOptions options = {});

}  // namespace clearway
