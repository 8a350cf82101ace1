#pragma once

// What all connections of a server share, and the accepting of them.

#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <clearway/endpoint/proxy_header.hpp>
#include <clearway/http/app.hpp>
#include <clearway/http/serialize.hpp>
#include <clearway/http/server_connection.hpp>
#include <clearway/http/server_options.hpp>
#include <clearway/http/server_output.hpp>
#include <clearway/net/listener.hpp>
#include <clearway/task/waiter.hpp>
#include <clearway/tls/context.hpp>

namespace clearway::http::detail {

class ServerCore final : private Operation, private Ready, private Timer {
 public:
  static constexpr std::size_t scratch_size = 32 * 1024;

  // The task that serves: resumed when the last connection has ended.
  class Serving;

  ServerCore(App& app, Listener listener, const ServerOptions& options);
  ~ServerCore();

  [[nodiscard]] Awaiting<Serving, ServerCore> serving() noexcept {
    return Awaiting<Serving, ServerCore>(*this);
  }
  void start(Serving& serving, PromiseBase& frame);
  // Accepts nothing more; running requests have the drain timeout.
  void stop() noexcept;

  [[nodiscard]] Loop& loop() const noexcept { return loop_; }
  [[nodiscard]] App& app() const noexcept { return app_; }
  [[nodiscard]] const ServerOptions& options() const noexcept { return options_; }
  // Null when the server does not speak TLS.
  [[nodiscard]] const TlsServerContext* tls() const noexcept { return tls_ ? &*tls_ : nullptr; }
  // Null when connections do not begin with a PROXY header.
  [[nodiscard]] const TrustedProxies* proxies() const noexcept {
    return proxies_ ? &*proxies_ : nullptr;
  }
  [[nodiscard]] const Address& address() const noexcept { return listener_.address(); }
  [[nodiscard]] bool started() const noexcept { return started_; }
  [[nodiscard]] bool stopping() const noexcept { return stopping_; }
  [[nodiscard]] std::size_t connections() const noexcept { return count_; }
  [[nodiscard]] char* scratch() const noexcept { return scratch_.get(); }
  [[nodiscard]] CancelScope& scope() noexcept { return scope_; }
  [[nodiscard]] PromiseBase* serving_frame() const noexcept { return frame_; }

  ServerExchange& lend_exchange(ServerConnection& connection);
  void take_back(ServerExchange& exchange) noexcept;
  void forget(ServerConnection& connection) noexcept;
  // The Date field's line.
  std::string_view date_line();

 private:
  void accept_more();
  void accepted();
  void completed() override;
  void run() override;
  void expired() override;
  void stop_listening();
  void accept_the_last();
  void end_if_done() noexcept;

  static constexpr std::size_t kept_exchanges = 256;

  Loop& loop_;
  App& app_;
  Listener listener_;
  ServerOptions options_;
  std::optional<TlsServerContext> tls_;
  std::optional<TrustedProxies> proxies_;
  Address peer_;
  CancelScope scope_;  // of all handlers; shielded from what cancels the serving task
  PromiseBase* frame_ = nullptr;
  Serving* serving_ = nullptr;
  bool started_ = false;
  bool stopping_ = false;
  bool queued_ = false;
  int last_turns_ = 2;  // for what came before stop()
  std::exception_ptr error_;
  std::size_t count_ = 0;
  List<ServerConnection> connections_;
  std::vector<std::unique_ptr<ServerExchange>> exchanges_;
  ServerExchange* idle_exchange_ = nullptr;  // the first of those that nobody has
  std::size_t idle_exchanges_ = 0;
  std::unique_ptr<char[]> scratch_;
  DateLine date_;
  Instant date_until_ = Instant::min();
  std::string_view date_line_;
};

class ServerCore::Serving final : public Waiter {
 public:
  explicit Serving(ServerCore& core) noexcept : core_(core) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    if (begin(handle.promise())) core_.start(*this, handle.promise());
    return true;
  }
  void await_resume() const;

 private:
  friend class ServerCore;
  void stop() noexcept override {
    interrupted_ = true;
    core_.stop();
  }

  ServerCore& core_;
  bool interrupted_ = false;
};

}  // namespace clearway::http::detail
