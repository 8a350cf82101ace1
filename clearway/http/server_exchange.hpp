#pragma once

// What a connection needs while it has requests to answer: buffers, parser, request, response, and
// the coroutine that takes them from the one to the other. Pooled, so that a request takes no
// memory of its own.

#include <cstddef>
#include <string>
#include <string_view>

#include <clearway/http/body.hpp>
#include <clearway/http/parser.hpp>
#include <clearway/http/request.hpp>
#include <clearway/http/response.hpp>
#include <clearway/http/server_output.hpp>
#include <clearway/task/task.hpp>

namespace clearway::http::detail {

class ServerConnection;
class ServerCore;

class ServerExchange {
 public:
  explicit ServerExchange(ServerCore& core);
  ServerExchange(const ServerExchange&) = delete;
  ServerExchange& operator=(const ServerExchange&) = delete;
  ~ServerExchange() = default;

  // For Connection.
  void attach(ServerConnection& connection) noexcept;
  void detach() noexcept;
  PromiseBase& begin();
  void finish() noexcept { frame_.destroy(); }
  [[nodiscard]] bool running() const noexcept { return static_cast<bool>(frame_); }
  [[nodiscard]] bool keeps_connection() const noexcept {
    return !closing_ && !ended_ && !output_.failed();
  }
  void arrived(std::string_view bytes);
  // The client sends nothing more. It may wait for its answer all the same, unless it is broken.
  void ended(bool broken) noexcept {
    ended_ = true;
    left_ = left_ || broken;
  }
  // False when nobody waits for input.
  bool wake_reader() noexcept;
  // Bytes or the end came while a handler runs.
  void look_after_client();
  void out_of_time() noexcept;
  // All that there was to send has been sent: the write timeout is over.
  void sent() noexcept;
  [[nodiscard]] ServerOutput& output() noexcept { return output_; }
  std::size_t place = 0;                // among all of the core's
  ServerExchange* next_idle = nullptr;  // while it is idle

  // For Request.
  [[nodiscard]] const Address& peer() const noexcept;
  [[nodiscard]] std::optional<TlsInfo> tls() const;
  // Appends the next piece of the body; gives its size, 0 at the end.
  Task<std::size_t> read_body(std::string& into);
  // For Next: the middleware of that number, or without one so high what the route says.
  Task<Response> proceed(std::size_t layer);
  // For BodyWriter.
  Task<> write_body(std::string data);
  Task<> write_file(int descriptor, std::string path, std::uint64_t offset, std::uint64_t length);

 private:
  enum class Input { Data, Ended, OutOfTime };
  enum class Outcome { Done, Failed, ClientLeft };
  enum class Framing { None, Length, Chunked, UntilClose };
  class InputAwaiter;
  template <class T>
  class HandlerAwaiter;
  template <class T>
  class Handling;

  Task<> serve();
  // What came next: a head, or nothing whole.
  ParseState next_head();
  // One request whose head is there.
  void begin_request();
  OwnedFrame<Response> answer();
  OwnedFrame<Response> call_handler();
  Task<Response> answer_by_route();
  void answer_without_handler();
  void answer_failure(const std::exception_ptr& error);
  void refuse(int status, std::string_view reason);
  void write_response();
  // With the whole body, where it is small.
  void write_head(Framing framing, std::uint64_t length, std::string_view body = {});
  void log_access() const;
  Task<> stream_response();
  void start_stream(Framing framing);
  // The head, if it has not gone out, and room for `size` more bytes of the body.
  void begin_piece(std::uint64_t size);
  Task<> flush_piece();
  void finish_stream();
  Task<> skip_body();
  Task<> linger();

  [[nodiscard]] std::string_view unread() const noexcept {
    return std::string_view(input_).substr(input_at_);
  }
  void consume(std::size_t count) noexcept;
  [[nodiscard]] bool must_send_continue() const noexcept;
  void watch(CancelScope* scope);
  [[nodiscard]] Awaiting<InputAwaiter, ServerExchange> more_input() noexcept {
    return Awaiting<InputAwaiter, ServerExchange>(*this);
  }
  template <class T>
  [[nodiscard]] Handling<T> run_handler(OwnedFrame<T>& frame) noexcept;

  ServerCore& core_;
  ServerConnection* connection_ = nullptr;
  OwnedFrame<void> frame_;
  std::string input_;
  std::size_t input_at_ = 0;
  ServerOutput output_;
  RequestParser parser_;
  RequestHead head_;
  BodyDecoder decoder_;
  Request request_;
  Response response_;  // unless the handler's frame keeps it
  Response* answer_ = &response_;
  std::exception_ptr error_;  // of the handler
  InputAwaiter* reader_ = nullptr;
  CancelScope* watched_ = nullptr;  // of the handler that waits for something
  Instant request_began_{};         // with an access log only
  std::uint64_t body_sent_ = 0;
  std::uint64_t stream_left_ = 0;  // of an announced length
  Framing stream_framing_ = Framing::None;
  bool in_head_ = false;
  bool ended_ = false;        // the client sends nothing more
  bool left_ = false;         // and does not read either
  bool closing_ = false;      // the connection ends with this answer
  bool lingers_ = false;      // and the client may still be sending
  bool continued_ = false;    // 100 Continue has been sent
  bool body_failed_ = false;  // the request's, malformed or cut short
  bool head_sent_ = false;    // of a streamed answer
};

// Waits for the client's bytes.
class ServerExchange::InputAwaiter final : public Waiter {
 public:
  explicit InputAwaiter(ServerExchange& exchange) noexcept : exchange_(exchange) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    suspend(handle.promise());
    return true;
  }
  Input await_resume() const;
  using Waiter::wake;

 private:
  void suspend(PromiseBase& frame);
  void stop() noexcept override;

  ServerExchange& exchange_;
  std::size_t before_ = 0;
};

// Runs a handler, or the writer of a streamed answer, in a scope that is cancelled when the client
// leaves.
template <class T>
class ServerExchange::HandlerAwaiter final {
 public:
  HandlerAwaiter(OwnedFrame<T>& frame, ServerExchange& exchange) noexcept
      : frame_(frame), exchange_(exchange) {}
  HandlerAwaiter(const HandlerAwaiter&) = delete;
  HandlerAwaiter& operator=(const HandlerAwaiter&) = delete;
  ~HandlerAwaiter() = default;

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    scope_.enter(parent.promise().scope);
    PromiseBase& child = frame_.promise();
    child.parent = ParentLink(parent.promise());
    child.scope = &scope_;
    if (start_inline(child)) return false;
    exchange_.watch(&scope_);
    return true;
  }
  Outcome await_resume() {
    exchange_.watched_ = nullptr;
    scope_.leave();
    PromiseBase& child = frame_.promise();
    if (child.error == nullptr) return Outcome::Done;
    if (child.ended_cancelled() && scope_.parent()->cancelled()) throw Cancelled();
    if (exchange_.left_ || exchange_.output_.failed()) return Outcome::ClientLeft;
    exchange_.error_ = child.error;
    return Outcome::Failed;
  }

 private:
  OwnedFrame<T>& frame_;
  ServerExchange& exchange_;
  CancelScope scope_;
};

template <class T>
class [[nodiscard("co_await it")]] ServerExchange::Handling {
 public:
  Handling(OwnedFrame<T>& frame, ServerExchange& exchange) noexcept
      : frame_(&frame), exchange_(&exchange) {}
  HandlerAwaiter<T> operator co_await() const noexcept {
    return HandlerAwaiter<T>(*frame_, *exchange_);
  }

 private:
  OwnedFrame<T>* frame_;
  ServerExchange* exchange_;
};

template <class T>
ServerExchange::Handling<T> ServerExchange::run_handler(OwnedFrame<T>& frame) noexcept {
  return Handling<T>(frame, *this);
}

}  // namespace clearway::http::detail
