// The part of an exchange that writes: heads, bodies, refusals and the access log.

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <clearway/base/log.hpp>
#include <clearway/http/serialize.hpp>
#include <clearway/http/server_core.hpp>
#include <clearway/http/server_exchange.hpp>
#include <clearway/net/file_piece.hpp>
#include <clearway/task/trace.hpp>

namespace clearway::http {

namespace {

// A larger body is sent from where it lies instead of being copied behind its head.
constexpr std::size_t largest_copied = 16 * 1024;

// The part of a head that is of limited length, put together on the stack: asking a string for room
// at every word costs more than the words.
class Words {
 public:
  static constexpr std::size_t room_for_body = 256;

  template <std::size_t N>
  void add(const char (&words)[N]) noexcept {
    std::memcpy(text_ + size_, words, N - 1);
    size_ += N - 1;
  }
  void add(std::string_view words) noexcept { size_ += words.copy(text_ + size_, words.size()); }
  void add_length(std::uint64_t length) noexcept {
    add("Content-Length: ");
    char* const digits = text_ + size_;
    size_ += static_cast<std::size_t>(std::to_chars(digits, digits + 20, length).ptr - digits);
    add("\r\n");
  }
  [[nodiscard]] std::string_view text() const noexcept { return {text_, size_}; }
  void clear() noexcept { size_ = 0; }

 private:
  std::size_t size_ = 0;
  char text_[256 + room_for_body];  // the fields are ours: 210 bytes at most
};

std::string status_text(int status) {
  return fmt::format("{} {}\n", status, reason_phrase(status));
}

}  // namespace

Task<Response> Next::operator()() const { return exchange_->proceed(layer_); }

Task<> BodyWriter::write(std::string data) { return exchange_.write_body(std::move(data)); }

Task<> BodyWriter::write_descriptor(int descriptor, std::string path, std::uint64_t offset,
                                    std::uint64_t length) {
  return exchange_.write_file(descriptor, std::move(path), offset, length);
}

namespace detail {

void ServerExchange::answer_without_handler() {
  const Router::Match& route = request_.route_;
  if (head_.method() == Method::Connect) {
    response_ = Response(status_text(501)).status(501);
    return;
  }
  if (head_.method() == Method::Options && head_.target_form() == TargetForm::Asterisk) {
    response_ = Response::with_status(204);
    return;
  }
  switch (route.outcome) {
    case Router::Outcome::BadEscape:
      response_ = Response("400 Bad Request: a malformed percent escape\n").status(400);
      break;
    case Router::Outcome::NoMethod:
      if (head_.method() == Method::Options) {
        response_ = Response::with_status(204);
      } else {
        response_ = Response(status_text(405)).status(405);
      }
      response_.header("Allow", route.endpoint->allow);
      break;
    default:
      response_ = Response(status_text(404)).status(404);
  }
}

// What the client learns of an error is its status; what we know goes to the log. A message that is
// malformed or cut short may be another server's, which the handler asked.
void ServerExchange::answer_failure(const std::exception_ptr& error) {
  answer_ = &response_;
  const auto log_failure = [&] {
    log::write(log::Level::error, "http",
               fmt::format("{} {} was answered with 500: {}\n{}", head_.method_name(),
                           head_.target(), describe(error), to_string(last_error_trace())));
  };
  try {
    std::rethrow_exception(error);
  } catch (const Abort& abort) {
    response_ = Response(std::string(abort.what()) + "\n").status(abort.status());
    return;
  } catch (const ProtocolError& malformed) {
    if (body_failed_) {
      response_ = Response(std::string(malformed.what()) + "\n").status(malformed.status());
      closing_ = lingers_ = true;
      return;
    }
    log_failure();
  } catch (const Truncated& cut) {
    if (body_failed_ || output_.failed()) {
      response_ = Response(std::string(cut.what()) + "\n").status(400);
      return;
    }
    log_failure();
  } catch (...) {  // no await: whatever it is, it is this request's failure
    log_failure();
  }
  response_ = Response(status_text(500)).status(500);
}

// What is not a request has an answer all the same, and the connection ends.
void ServerExchange::refuse(int status, std::string_view reason) {
  head_.clear();
  body_sent_ = 0;
  decoder_ = BodyDecoder();
  if (core_.options().access_log != nullptr) request_began_ = core_.loop().now();
  response_ = Response(fmt::format("{} {}: {}\n", status, reason_phrase(status), reason));
  response_.status(status);
  answer_ = &response_;
  closing_ = lingers_ = true;
  connection_->set_deadline(never);
  write_response();
}

void ServerExchange::write_response() {
  const int status = answer_->status();
  const bool bodiless = status == 204 || status == 304;
  const bool head_only = head_.method() == Method::Head;
  if (answer_->streamed() && !bodiless) {  // the answer to HEAD
    write_head(answer_->length_ ? Framing::Length : Framing::Chunked, answer_->length_.value_or(0));
  } else {
    std::string& body = answer_->body_;
    const Framing framing = bodiless ? Framing::None : Framing::Length;
    body_sent_ = bodiless || head_only ? 0 : body.size();
    if (body_sent_ > largest_copied) {
      write_head(framing, body.size());
      output_.set_tail(std::move(body));
    } else {
      write_head(framing, body.size(), std::string_view(body).substr(0, body_sent_));
    }
  }
  if (core_.options().access_log != nullptr) log_access();
}

void ServerExchange::write_head(Framing framing, std::uint64_t length, std::string_view body) {
  std::string& out = output_.text();
  const Headers& headers = answer_->headers();
  Words words;
  if (answer_->status() == 200) {
    words.add("HTTP/1.1 200 OK\r\n");
  } else {
    write_status_line(out, answer_->status());
  }
  if (headers.empty() || !headers.contains("Date")) words.add(core_.date_line());
  if (framing != Framing::None) {
    const bool empty = framing == Framing::Length && length == 0;
    if (!empty && (headers.empty() || !headers.contains("Content-Type"))) {
      words.add("Content-Type: ");
      words.add(answer_->content_type_);
      words.add("\r\n");
    }
    if (framing == Framing::Length) words.add_length(length);
    if (framing == Framing::Chunked) words.add("Transfer-Encoding: chunked\r\n");
  }
  if (framing == Framing::UntilClose || core_.stopping()) closing_ = true;
  if (closing_) {
    words.add("Connection: close\r\n");
  } else if (head_.minor_version() == 0) {
    words.add("Connection: keep-alive\r\n");
  }
  if (!headers.empty()) {
    out.append(words.text());
    words.clear();
    write_headers(out, headers);
  }
  words.add("\r\n");
  const bool together = body.size() <= Words::room_for_body;
  if (together) words.add(body);
  out.append(words.text());
  if (!together) out.append(body);
}

void ServerExchange::log_access() const {
  const Duration took = core_.loop().now() - request_began_;
  const std::string host = peer().host();
  core_.options().access_log(
      fmt::format("{} \"{} {} HTTP/1.{}\" {} {} {:.6f}", host.empty() ? "-" : host,
                  head_.method_name().empty() ? "-" : head_.method_name(),
                  head_.target().empty() ? "-" : head_.target(), head_.minor_version(),
                  answer_->status(), body_sent_, std::chrono::duration<double>(took).count()));
}

void ServerExchange::start_stream(Framing framing) {
  stream_framing_ = framing;
  stream_left_ = answer_->length_.value_or(0);
  head_sent_ = true;
  write_head(framing, stream_left_);
}

void ServerExchange::begin_piece(std::uint64_t size) {
  if (!head_sent_) {
    const Framing otherwise = head_.minor_version() == 0 ? Framing::UntilClose : Framing::Chunked;
    start_stream(answer_->length_ ? Framing::Length : otherwise);
  }
  if (stream_framing_ == Framing::Length && size > stream_left_) {
    throw Error(fmt::format("a streamed answer of {} bytes is more than the {} it announced",
                            body_sent_ + size, *answer_->length_));
  }
}

Task<> ServerExchange::flush_piece() {
  co_await output_.flush();
  if (output_.failed()) {
    throw Truncated(output_.stalled() ? "the client stopped reading the answer"
                                      : "the client has left");
  }
  if (ended_) sent();
}

Task<> ServerExchange::write_body(std::string data) {
  begin_piece(data.size());
  if (data.empty()) co_return;
  body_sent_ += data.size();
  if (stream_framing_ == Framing::Chunked) {
    write_chunk(output_.text(), data);
  } else {
    if (stream_framing_ == Framing::Length) stream_left_ -= data.size();
    output_.text() += data;
  }
  co_await flush_piece();
}

Task<> ServerExchange::write_file(int descriptor, std::string path, std::uint64_t offset,
                                  std::uint64_t length) {
  using clearway::detail::bring_into_memory;
  using clearway::detail::file_window;
  begin_piece(length);
  bool copied = stream_framing_ == Framing::Chunked || connection_->secured();
  std::uint64_t done = 0;
  while (done < length) {
    const std::uint64_t left = length - done;
    std::uint64_t count = 0;
    if (copied) {
      const std::size_t most = std::min<std::uint64_t>(left, 64 * 1024);
      std::string piece =
          co_await clearway::detail::read_file_piece(descriptor, offset + done, most);
      count = piece.size();
      if (count > 0) co_await write_body(std::move(piece));
    } else {
      const std::size_t most = std::min<std::uint64_t>(left, file_window);
      co_await bring_into_memory(descriptor, offset + done, most);
      output_.set_file({.descriptor = descriptor, .offset = offset + done}, most);
      co_await flush_piece();
      count = most - output_.file_left();
      body_sent_ += count;
      if (stream_framing_ == Framing::Length) stream_left_ -= count;
      const int code = output_.file_error();
      copied = code == EINVAL || code == ENOSYS || code == EOPNOTSUPP || code == ESPIPE;
      if (code != 0 && !copied) throw SystemError(fmt::format("cannot send \"{}\"", path), code);
      if (copied) {  // the kernel cannot send this one
        done += count;
        continue;
      }
    }
    done += count;
    if (count == 0) {
      clearway::detail::throw_file_cut_short(path, peer().to_string(), done, length);
    }
  }
}

Task<> ServerExchange::stream_response() {
  head_sent_ = false;
  BodyWriter writer(*this);
  OwnedFrame<void> frame = answer_->stream_(writer).release();
  const Outcome outcome = co_await run_handler(frame);
  if (outcome == Outcome::Done) {
    finish_stream();
  } else if (outcome == Outcome::Failed && !head_sent_) {
    answer_failure(error_);
    write_response();
    co_return;
  } else {
    closing_ = true;  // without its end: the client sees that the body is cut short
    if (outcome == Outcome::Failed) answer_failure(error_);
  }
  if (core_.options().access_log != nullptr) log_access();
}

void ServerExchange::finish_stream() {
  if (!head_sent_) {  // nothing was written
    const Framing otherwise = head_.minor_version() == 0 ? Framing::UntilClose : Framing::Chunked;
    start_stream(answer_->length_ ? Framing::Length : otherwise);
  }
  if (stream_framing_ == Framing::Chunked) write_last_chunk(output_.text());
  if (stream_framing_ != Framing::Length || stream_left_ == 0) return;
  closing_ = true;
  log::write(log::Level::error, "http",
             fmt::format("{} {}: a streamed answer ended {} bytes before the {} it announced",
                         head_.method_name(), head_.target(), stream_left_, *answer_->length_));
}

}  // namespace detail
}  // namespace clearway::http
