#include <clearway/http/server_exchange.hpp>

#include <clearway/http/server_core.hpp>
#include <clearway/tls/info.hpp>

namespace clearway::http::detail {

namespace {

// More than this is not read while a handler runs: the client waits.
constexpr std::size_t most_ahead = 64 * 1024;
// Answers to pipelined requests are gathered up to this size.
constexpr std::size_t most_corked = 64 * 1024;
// What is read of a body that nobody wanted before the connection is closed instead.
constexpr std::uint64_t most_skipped = 64 * 1024;
constexpr std::uint64_t most_lingering = 1024 * 1024;
constexpr std::size_t kept_input = 32 * 1024;

Abort too_large() { return {413, "the body is larger than this server takes"}; }

}  // namespace

ServerExchange::ServerExchange(ServerCore& core)
    : core_(core), parser_(core.options().limits), request_(*this, head_) {}

void ServerExchange::attach(ServerConnection& connection) noexcept {
  connection_ = &connection;
  output_.attach(connection);
}

void ServerExchange::detach() noexcept {
  connection_ = nullptr;
  output_.reset();
  if (parser_.started()) parser_.reset();
  input_.clear();
  if (input_.capacity() > kept_input) input_.shrink_to_fit();
  input_at_ = 0;
  const bool much = response_.body_.capacity() > kept_input;
  if (much || response_.streamed()) response_ = Response();
  error_ = nullptr;
  reader_ = nullptr;
  in_head_ = ended_ = left_ = closing_ = lingers_ = false;
}

PromiseBase& ServerExchange::begin() {
  frame_ = serve().release();
  return frame_.promise();
}

void ServerExchange::arrived(std::string_view bytes) {
  if (input_at_ > 0) {
    input_.erase(0, input_at_);
    input_at_ = 0;
  }
  input_.append(bytes);
}

void ServerExchange::consume(std::size_t count) noexcept {
  input_at_ += count;
  if (input_at_ < input_.size()) return;
  input_.clear();
  input_at_ = 0;
}

bool ServerExchange::wake_reader() noexcept {
  if (reader_ == nullptr) return false;
  std::exchange(reader_, nullptr)->wake();
  return true;
}

void ServerExchange::watch(CancelScope* scope) {
  watched_ = scope;
  output_.start();  // answers to earlier requests do not wait for this one
  look_after_client();
}

// A client that has ended its side may have left, or only have nothing more to say (`nc -N`): the
// kernel does not tell the two apart until something is sent.
void ServerExchange::look_after_client() {
  if (watched_ == nullptr) return;
  if (left_ || output_.failed()) {
    watched_->cancel();
  } else if (ended_) {
    if (!output_.sending()) sent();
  } else if (input_.size() - input_at_ < most_ahead) {
    connection_->receive();
  }
}

void ServerExchange::sent() noexcept {
  if (ended_ && watched_ != nullptr && !output_.failed()) {
    connection_->set_deadline_in(core_.options().half_closed_timeout);
  } else {
    connection_->set_deadline(never);
  }
}

void ServerExchange::out_of_time() noexcept {
  if (output_.sending()) {
    output_.give_up();
  } else if (!wake_reader() && ended_ && watched_ != nullptr) {
    left_ = true;
    watched_->cancel();
  }
}

const Address& ServerExchange::peer() const noexcept { return connection_->peer(); }

std::optional<TlsInfo> ServerExchange::tls() const { return connection_->tls(); }

void ServerExchange::InputAwaiter::suspend(PromiseBase& frame) {
  before_ = exchange_.unread().size();
  if (!begin(frame)) return;
  exchange_.reader_ = this;
  if (exchange_.ended_) {
    exchange_.wake_reader();
  } else {
    exchange_.connection_->receive();
  }
}

void ServerExchange::InputAwaiter::stop() noexcept {
  exchange_.reader_ = nullptr;
  wake_cancelled();
}

ServerExchange::Input ServerExchange::InputAwaiter::await_resume() const {
  throw_if_cancelled();
  if (exchange_.unread().size() > before_) return Input::Data;
  return exchange_.ended_ ? Input::Ended : Input::OutOfTime;
}

ParseState ServerExchange::next_head() {
  if (input_at_ == input_.size()) return ParseState::NeedMore;
  const ParseResult parsed = parser_.feed(unread(), head_);
  consume(parsed.consumed);
  return parsed.state;
}

// Answers the requests that are there and those that come while it does.
Task<> ServerExchange::serve() {
  while (!closing_) {
    const ParseState state = next_head();
    if (state == ParseState::Failed) {
      refuse(parser_.failure().status, parser_.failure().reason);
      break;
    }
    if (state == ParseState::NeedMore) {
      if (output_.waiting_bytes() > 0) {
        if (!output_.start()) co_await output_.flush();
        continue;  // more may have come meanwhile
      }
      if (unread().empty() || ended_ || output_.failed()) break;
      if (!in_head_) connection_->set_deadline_in(core_.options().header_timeout);
      in_head_ = true;
      const Input input = co_await more_input();
      if (input == Input::OutOfTime) refuse(408, "the request's head did not come in time");
      continue;
    }
    if (in_head_) connection_->set_deadline(never);
    in_head_ = false;
    begin_request();
    OwnedFrame<Response> handler = answer();
    if (handler) {
      const Outcome outcome = co_await run_handler(handler);
      if (outcome == Outcome::ClientLeft) {
        closing_ = true;
        co_return;
      }
      if (outcome == Outcome::Failed) {
        answer_failure(error_);
      } else {
        answer_ = &handler.promise().value();
      }
    }
    if (answer_->streamed() && head_.method() != Method::Head) {
      co_await stream_response();
    } else {
      write_response();
    }
    if (!decoder_.done()) co_await skip_body();
    if (output_.waiting_bytes() > most_corked && !output_.start()) co_await output_.flush();
  }
  answer_ = &response_;
  const bool unsent = output_.waiting_bytes() > 0 || output_.sending();
  if (unsent && !output_.start()) co_await output_.flush();
  if (lingers_ && !ended_ && !output_.failed()) co_await linger();
}

void ServerExchange::begin_request() {
  const ServerOptions& options = core_.options();
  if (head_.body_kind() != BodyKind::None || decoder_.kind() != BodyKind::None) {
    decoder_ = BodyDecoder(head_, options.limits);
  }
  request_.restart(options.body_limit);
  answer_ = &response_;
  body_sent_ = 0;
  continued_ = body_failed_ = false;
  if (options.access_log != nullptr) request_began_ = core_.loop().now();
  const bool last = connection_->count_request() >= options.requests_per_connection;
  closing_ = last || !head_.keep_alive();
  lingers_ = last;
}

// A frame that gives the response, or none, and then it is in response_.
OwnedFrame<Response> ServerExchange::answer() {
  App& app = core_.app();
  app.router().find(head_.method(), head_.method_name(), head_.path(), request_.route_);
  try {
    if (!app.middleware().empty()) [[unlikely]]
      return proceed(0).release();
    return call_handler();
  } catch (const std::exception&) {
    answer_failure(std::current_exception());
    return {};
  }
}

OwnedFrame<Response> ServerExchange::call_handler() {
  Router::Match& route = request_.route_;
  if (route.outcome == Router::Outcome::Found) {
    return route.entry->handler->call(request_, route.parameters, response_);
  }
  answer_without_handler();
  return {};
}

Task<Response> ServerExchange::proceed(std::size_t layer) {
  std::vector<Middleware>& layers = core_.app().middleware();
  if (layer == layers.size()) return answer_by_route();
  return layers[layer](request_, Next(*this, layer + 1));
}

Task<Response> ServerExchange::answer_by_route() {
  OwnedFrame<Response> handler = call_handler();
  if (!handler) co_return std::move(response_);
  co_return co_await Task<Response>(std::move(handler));
}

bool ServerExchange::must_send_continue() const noexcept {
  return head_.expect_continue() && !continued_ && unread().empty();
}

Task<std::size_t> ServerExchange::read_body(std::string& into) {
  if (head_.content_length().value_or(0) > request_.body_limit_) throw too_large();
  while (!decoder_.done()) {
    const BodyPiece piece = decoder_.decode(unread());
    if (piece.state == BodyState::Failed) {
      closing_ = lingers_ = body_failed_ = true;
      throw decoder_.error("malformed request body");
    }
    if (piece.state == BodyState::Data) {
      const std::size_t size = piece.data.size();
      if (decoder_.received() > request_.body_limit_) throw too_large();
      into.append(piece.data);
      consume(piece.consumed);
      co_return size;
    }
    consume(piece.consumed);
    if (piece.state == BodyState::End) break;
    if (must_send_continue()) {
      output_.text() += "HTTP/1.1 100 Continue\r\n\r\n";
      continued_ = true;
    }
    if (output_.waiting_bytes() > 0) {
      co_await output_.flush();
      continue;  // more may have come meanwhile
    }
    connection_->set_deadline_in(core_.options().body_timeout);
    const Input input = co_await more_input();
    connection_->set_deadline(never);
    if (input == Input::Ended) {
      body_failed_ = true;
      decoder_.end_of_input();  // throws Truncated
    }
    if (input == Input::OutOfTime) {
      closing_ = lingers_ = true;
      throw Abort(408, "the request's body did not come in time");
    }
  }
  co_return 0;
}

// A body that its handler did not read stands between us and the next request.
Task<> ServerExchange::skip_body() {
  const bool never_asked = head_.expect_continue() && !continued_;
  if (closing_ || never_asked) {
    closing_ = lingers_ = true;
    co_return;
  }
  if (output_.waiting_bytes() > 0) co_await output_.flush();
  std::uint64_t skipped = 0;
  connection_->set_deadline_in(core_.options().body_timeout);
  while (!decoder_.done()) {
    const BodyPiece piece = decoder_.decode(unread());
    consume(piece.consumed);
    skipped += piece.consumed;
    Input input = Input::Data;
    if (piece.state == BodyState::NeedMore) input = co_await more_input();
    if (piece.state == BodyState::Failed || skipped > most_skipped || input != Input::Data) {
      closing_ = lingers_ = true;
      break;
    }
  }
  connection_->set_deadline(never);
}

// A socket that is closed with unread bytes is reset, and a reset takes the answer away from the
// client (RFC 9112 section 9.6): says that nothing more comes, and reads for a while.
Task<> ServerExchange::linger() {
  connection_->shutdown_write();
  connection_->set_deadline_in(core_.options().linger_timeout);
  std::uint64_t read = 0;
  while (read < most_lingering) {
    read += unread().size();
    consume(unread().size());
    const Input input = co_await more_input();
    if (input == Input::Ended || input == Input::OutOfTime) break;
  }
}

}  // namespace clearway::http::detail
