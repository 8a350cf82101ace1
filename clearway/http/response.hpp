#pragma once

// What a handler gives back.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <clearway/base/unique_function.hpp>
#include <clearway/http/error.hpp>
#include <clearway/http/headers.hpp>
#include <clearway/net/stream.hpp>
#include <clearway/task/task.hpp>
#include <nlohmann/json_fwd.hpp>

namespace clearway::http {

namespace detail {
class ServerExchange;
}

// Thrown by a handler, or by what it calls: answers with this status and text, in plain text.
//
//   throw http::Abort(404, "there is no user 7");
class Abort : public Error {
 public:
  // `status` is 400 to 599; the text goes to the client.
  Abort(int status, std::string text);
  [[nodiscard]] int status() const noexcept { return status_; }

 private:
  int status_;
};

// Where a streamed answer is written.
class BodyWriter {
 public:
  explicit BodyWriter(detail::ServerExchange& exchange) noexcept : exchange_(exchange) {}
  BodyWriter(const BodyWriter&) = delete;
  BodyWriter& operator=(const BodyWriter&) = delete;

  // Sends `data` to the client and waits while it does not keep up; the head goes out with the
  // first piece. Throws http::Error when the client does not read for the server's write_timeout,
  // has gone, or when more comes than content_length() announced.
  Task<> write(std::string data);

  // Sends `length` bytes of an open file from `offset` on, without copying them through the program
  // where that can be done: content_length() was announced, and no TLS is spoken. Throws as write()
  // does, and FileCutShort when the file ends before. The file must stay open until it has been
  // awaited.
  template <SendableFile F>
  Task<> write_file(const F& file, std::uint64_t offset, std::uint64_t length) {
    return write_descriptor(file.descriptor(), std::string(file.path()), offset, length);
  }

 private:
  Task<> write_descriptor(int descriptor, std::string path, std::uint64_t offset,
                          std::uint64_t length);

  detail::ServerExchange& exchange_;
};

// A status, fields and a body; what a handler returns. Implicit from text, so that
// `co_return "done";` is an answer. The server itself writes Date, Content-Length,
// Transfer-Encoding and Connection.
class Response {
 public:
  // Writes a body piece by piece; called once, after the handler has ended: capture by value.
  using Stream = UniqueFunction<Task<>(BodyWriter&)>;

  Response() = default;
  // text/plain; charset=utf-8.
  Response(const char* text) : body_(text) {}             // NOLINT(google-explicit-constructor)
  Response(std::string text) : body_(std::move(text)) {}  // NOLINT(google-explicit-constructor)
  Response(std::string_view text) : body_(text) {}        // NOLINT(google-explicit-constructor)
  // A status without a body.
  static Response with_status(int status);
  static Response html(std::string text);
  // Serialized without spaces; what is not UTF-8 in it becomes U+FFFD. Needs <clearway/json.hpp>
  // where it is called.
  static Response json(const nlohmann::json& value);
  static Response json_text(std::string text);
  // 303 by default (RFC 9110 section 15.4).
  static Response redirect(std::string_view location, int status = 303);
  // Sent chunked; with content_length() as it is; to HTTP/1.0 until the connection closes.
  template <class F>
    requires std::is_invocable_r_v<Task<>, std::decay_t<F>&, BodyWriter&>
  static Response stream(F&& writer) {
    Response response;
    response.content_type_ = "application/octet-stream";
    response.stream_ = Stream(std::forward<F>(writer));
    return response;
  }

  // 200 to 599; throws HeaderError otherwise.
  Response& status(int status) &;
  Response&& status(int status) && { return std::move(this->status(status)); }
  // Replaces the fields of that name. Throws HeaderError for bytes that may not be sent and for the
  // fields that the server writes.
  Response& header(std::string_view name, std::string_view value) &;
  Response&& header(std::string_view name, std::string_view value) && {
    return std::move(this->header(name, value));
  }
  // Appends a field, as for Set-Cookie.
  Response& add_header(std::string_view name, std::string_view value) &;
  Response&& add_header(std::string_view name, std::string_view value) && {
    return std::move(this->add_header(name, value));
  }
  Response& content_type(std::string_view type) & { return header("Content-Type", type); }
  Response&& content_type(std::string_view type) && {
    return std::move(this->header("Content-Type", type));
  }
  // Of a streamed body: exactly so many bytes will be written.
  Response& content_length(std::uint64_t length) &;
  Response&& content_length(std::uint64_t length) && {
    return std::move(this->content_length(length));
  }

  [[nodiscard]] int status() const noexcept { return status_; }
  [[nodiscard]] const Headers& headers() const noexcept { return headers_; }
  // Empty for a streamed answer.
  [[nodiscard]] const std::string& body() const noexcept { return body_; }
  [[nodiscard]] bool streamed() const noexcept { return static_cast<bool>(stream_); }

 private:
  friend class detail::ServerExchange;

  int status_ = 200;
  std::optional<std::uint64_t> length_;
  std::string_view content_type_ = "text/plain; charset=utf-8";  // unless a field says otherwise
  Headers headers_;
  std::string body_;
  Stream stream_;
};

}  // namespace clearway::http
