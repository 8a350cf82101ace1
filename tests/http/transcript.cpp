#include "transcript.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <memory>

namespace clearway::http::testing {

namespace {

std::vector<std::pair<std::string, std::string>> copy(const Headers& headers) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Header& header : headers) {
    out.emplace_back(std::string(header.name), std::string(header.value));
  }
  return out;
}

// Plays the part of a connection: a buffer of what has arrived and is not yet consumed.
class Reader {
 public:
  explicit Reader(const ReadOptions& options)
      : options_(options), requests_(options.limits), responses_(options.limits) {}

  Transcript transcript;

  // The unconsumed bytes lie in memory of exactly their size, so that a sanitizer sees any step
  // beyond them, and elsewhere at every call.
  void arrived(std::string_view piece) {
    if (stopped_) return;
    auto grown = std::make_unique<char[]>(size_ + piece.size());
    std::copy_n(buffer_.get(), size_, grown.get());
    std::copy_n(piece.data(), piece.size(), grown.get() + size_);
    buffer_ = std::move(grown);
    size_ += piece.size();
    while (!stopped_ && step()) {
    }
  }

  void closed() {
    if (stopped_ || !in_body_) return;
    try {
      body_.end_of_input();
      transcript.messages.back().complete = true;
    } catch (const Truncated& error) {
      fail(400, error.what(), 0);
    }
  }

 private:
  std::string_view unconsumed() const { return {buffer_.get(), size_}; }

  void consume(std::size_t count) {
    auto rest = std::make_unique<char[]>(size_ - count);
    std::copy_n(buffer_.get() + count, size_ - count, rest.get());
    buffer_ = std::move(rest);
    size_ -= count;
    consumed_ += count;
  }

  void fail(int status, std::string reason, std::size_t offset) {
    transcript.status = status;
    transcript.reason = std::move(reason);
    transcript.failed_at = offset;
    stopped_ = true;
  }

  bool step() {
    if (in_body_) return body_step();
    if (size_ == 0) return false;
    if (!may_continue_) {
      fail(400, "bytes after the last message", consumed_);
      return false;
    }
    transcript.message_at = consumed_;
    return options_.side == Side::Request ? request_step() : response_step();
  }

  bool request_step() {
    const ParseResult result = requests_.feed(unconsumed(), request_);
    if (!head_done(result, requests_.failure())) return false;
    Message& message = transcript.messages.emplace_back();
    message.start = fmt::format("{} {} {}", request_.method_name(), request_.target(),
                                request_.minor_version());
    message.headers = copy(request_.headers());
    consume(result.consumed);
    may_continue_ = request_.keep_alive();
    switches_ = request_.method() == Method::Connect || request_.upgrade();
    begin_body(BodyDecoder(request_, options_.limits));
    return true;
  }

  bool response_step() {
    const ParseResult result = responses_.feed(unconsumed(), response_);
    if (!head_done(result, responses_.failure())) return false;
    Message& message = transcript.messages.emplace_back();
    message.start =
        fmt::format("{} {} {}", response_.status(), response_.reason(), response_.minor_version());
    message.headers = copy(response_.headers());
    consume(result.consumed);
    may_continue_ = response_.keep_alive(options_.answered) || response_.interim();
    switches_ = response_.status() == 101;
    begin_body(BodyDecoder(response_, options_.answered, options_.limits));
    return true;
  }

  bool head_done(const ParseResult& result, const Failure& failure) {
    if (result.state == ParseState::Failed) {
      fail(failure.status, std::string(failure.reason), consumed_ + failure.offset);
    }
    return result.state == ParseState::Complete;
  }

  void begin_body(BodyDecoder body) {
    body_ = std::move(body);
    body_at_ = consumed_;
    in_body_ = true;
  }

  bool body_step() {
    Message& message = transcript.messages.back();
    if (!body_.done()) {
      const BodyPiece piece = body_.decode(unconsumed());
      if (piece.state == BodyState::Failed) {
        fail(body_.failure().status, std::string(body_.failure().reason),
             body_at_ + body_.failure().offset);
        return false;
      }
      message.body.append(piece.data);
      consume(piece.consumed);
      if (piece.state == BodyState::NeedMore) return false;
    }
    if (!body_.done()) return true;
    message.trailers = copy(body_.trailers());
    message.complete = true;
    in_body_ = false;
    stopped_ = switches_;
    return !stopped_;
  }

  ReadOptions options_;
  RequestParser requests_;
  ResponseParser responses_;
  RequestHead request_;
  ResponseHead response_;
  BodyDecoder body_;
  std::unique_ptr<char[]> buffer_;
  std::size_t size_ = 0;
  std::size_t consumed_ = 0;
  std::size_t body_at_ = 0;
  bool in_body_ = false;
  bool may_continue_ = true;
  bool switches_ = false;
  bool stopped_ = false;
};

std::string show(std::string_view text) {
  std::string out;
  for (char byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    out += value < 0x20 || value >= 0x7f ? fmt::format("\\x{:02x}", value) : std::string(1, byte);
  }
  return out;
}

}  // namespace

Transcript read_messages(std::string_view stream, const ReadOptions& options,
                         const std::function<std::size_t()>& next_size) {
  Reader reader(options);
  while (!stream.empty()) {
    const std::size_t size = std::min(next_size(), stream.size());
    reader.arrived(stream.substr(0, size));
    stream.remove_prefix(size);
  }
  if (options.close_at_end) reader.closed();
  return std::move(reader.transcript);
}

Transcript read_whole(std::string_view stream, const ReadOptions& options) {
  return read_messages(stream, options, [] { return std::numeric_limits<std::size_t>::max(); });
}

Transcript read_by_bytes(std::string_view stream, const ReadOptions& options) {
  return read_messages(stream, options, [] { return std::size_t{1}; });
}

std::string to_string(const Transcript& transcript) {
  std::string out;
  for (const Message& message : transcript.messages) {
    out += fmt::format("[{}]{}\n", show(message.start), message.complete ? "" : " (incomplete)");
    for (const auto& [name, value] : message.headers) {
      out += fmt::format("  {}: {}\n", show(name), show(value));
    }
    out += fmt::format("  body \"{}\"\n", show(message.body));
    for (const auto& [name, value] : message.trailers) {
      out += fmt::format("  trailer {}: {}\n", show(name), show(value));
    }
  }
  if (!transcript.ok()) {
    out += fmt::format("failed: {} {} (byte {})\n", transcript.status, transcript.reason,
                       transcript.failed_at);
  }
  return out;
}

std::string vectors_folder() {
  namespace fs = std::filesystem;
  if (const char* given = std::getenv("CLEARWAY_VECTORS")) return given;
  // The source root is three folders above this file; ctest also runs in it.
  const fs::path beside_file = fs::path(__FILE__).parent_path() / "../../../shared/vectors";
  for (const fs::path& folder : {beside_file, fs::path("../shared/vectors")}) {
    std::error_code ignored;
    if (fs::is_directory(folder, ignored)) return folder.string();
  }
  return {};
}

}  // namespace clearway::http::testing
