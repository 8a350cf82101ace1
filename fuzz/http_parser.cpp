// The parser and the body's framing must never read outside of what they are given, never fail to
// make progress, and come to the same result however their input is cut into pieces.
//
// The first byte chooses the side and the method answered, the second seeds the cuts.

#include <clearway/http/body.hpp>
#include <clearway/http/parser.hpp>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace http = clearway::http;

http::Limits small_limits() {
  // Small, so that short inputs reach them.
  http::Limits limits;
  limits.target = 64;
  limits.line = 80;
  limits.head = 400;
  limits.headers = 8;
  limits.trailer = 60;
  limits.trailers = 3;
  limits.chunk_extensions = 40;
  return limits;
}

void append(std::string& log, const http::Headers& headers) {
  for (const http::Header& header : headers) {
    log.append(header.name).append("=").append(header.value).append(";");
    if (!headers.contains(header.name)) std::abort();
  }
}

class Connection {
 public:
  Connection(bool responses, http::Method answered)
      : responses_(responses),
        answered_(answered),
        request_parser_(small_limits()),
        response_parser_(small_limits()) {}

  std::string log;

  void arrived(std::string_view piece) {
    held_.append(piece);
    while (!stopped_ && step()) {
    }
  }

 private:
  bool step() {
    // A copy of exact size, so that the sanitizer sees the first byte too many.
    const std::unique_ptr<char[]> copy(new char[held_.size()]);
    if (!held_.empty()) std::memcpy(copy.get(), held_.data(), held_.size());
    const std::string_view bytes(copy.get(), held_.size());
    return in_body_ ? body_step(bytes) : head_step(bytes);
  }

  bool head_step(std::string_view bytes) {
    if (bytes.empty()) return false;
    const http::ParseResult result = responses_ ? response_parser_.feed(bytes, response_)
                                                : request_parser_.feed(bytes, request_);
    const http::Failure& failure =
        responses_ ? response_parser_.failure() : request_parser_.failure();
    if (result.state == http::ParseState::Failed) return stop(failure, consumed_);
    if (result.state == http::ParseState::NeedMore) return false;
    if (result.consumed == 0 || result.consumed > bytes.size()) std::abort();
    if (responses_) {
      log += std::to_string(response_.status()) + std::string(response_.reason());
      append(log, response_.headers());
      body_ = http::BodyDecoder(response_, answered_, small_limits());
    } else {
      log.append(request_.method_name()).append(request_.target()).append(request_.path());
      log.append(request_.query()).append(request_.host());
      append(log, request_.headers());
      body_ = http::BodyDecoder(request_, small_limits());
    }
    consume(result.consumed);
    body_at_ = consumed_;
    in_body_ = true;
    return true;
  }

  bool body_step(std::string_view bytes) {
    if (!body_.done()) {
      const http::BodyPiece piece = body_.decode(bytes);
      if (piece.state == http::BodyState::Failed) return stop(body_.failure(), body_at_);
      if (piece.consumed > bytes.size()) std::abort();
      if (piece.state == http::BodyState::Data && piece.data.empty()) std::abort();
      if (piece.state == http::BodyState::NeedMore && piece.consumed != bytes.size()) std::abort();
      log.append(piece.data);
      consume(piece.consumed);
      if (piece.state == http::BodyState::NeedMore) return false;
    }
    if (body_.done()) {
      log += "|";
      append(log, body_.trailers());
      in_body_ = false;
    }
    return true;
  }

  bool stop(const http::Failure& failure, std::size_t base) {
    if (failure.status == 0 || failure.reason.empty()) std::abort();
    log.append("!").append(failure.reason).append(std::to_string(base + failure.offset));
    stopped_ = true;
    return false;
  }

  void consume(std::size_t count) {
    held_.erase(0, count);
    consumed_ += count;
  }

  bool responses_;
  http::Method answered_;
  http::RequestParser request_parser_;
  http::ResponseParser response_parser_;
  http::RequestHead request_;
  http::ResponseHead response_;
  http::BodyDecoder body_;
  std::string held_;
  std::size_t consumed_ = 0;
  std::size_t body_at_ = 0;
  bool in_body_ = false;
  bool stopped_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const bool responses = (data[0] & 1) != 0;
  const http::Method answered = (data[0] & 2) != 0 ? http::Method::Head : http::Method::Get;
  std::uint32_t random = data[1] * 2654435761u + 1;
  std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);

  Connection whole(responses, answered);
  whole.arrived(input);
  Connection cut(responses, answered);
  while (!input.empty()) {
    random = random * 1664525u + 1013904223u;
    const std::size_t step = data[1] == 0 ? 1 : 1 + (random >> 24) % 13;
    const std::string_view piece = input.substr(0, step);
    cut.arrived(piece);
    input.remove_prefix(piece.size());
  }
  if (whole.log != cut.log) std::abort();
  return 0;
}
