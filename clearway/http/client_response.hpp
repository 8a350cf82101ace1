#pragma once

#include <clearway/http/message.hpp>
#include <clearway/task/task.hpp>
#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace clearway::http {

namespace detail {
class Exchange;
struct SessionCore;
}  // namespace detail

/// An answer, its body still on the wire.
///
///     auto response = co_await session.get(url);
///     while (auto piece = co_await response.read()) file.write(*piece);
///
/// The body is read once, by one of the four functions. Destroyed before its end, the connection is
/// closed, unless the rest has arrived already. Errors are `http::Error`s: `Truncated`,
/// `TimeoutError`, `ProtocolError`, `DecodeError`, `TooLarge`. A cancelled read loses nothing: call
/// it again. The object must live until what it gave has been awaited.
class ClientResponse {
 public:
  explicit ClientResponse(std::unique_ptr<detail::Exchange> exchange) noexcept;
  ClientResponse(ClientResponse&& other) noexcept;
  ClientResponse& operator=(ClientResponse&& other) noexcept;
  ~ClientResponse();

  int status() const noexcept;
  /// 200 to 299.
  bool ok() const noexcept { return status() >= 200 && status() < 300; }
  std::string_view reason() const noexcept;
  const Headers& headers() const noexcept;
  std::optional<std::string_view> header(std::string_view name) const noexcept {
    return headers().get(name);
  }
  /// What answered: the last URL, if there were redirects; without userinfo and fragment.
  std::string url() const;
  /// Of the body as it is sent, that is before decompression.
  std::optional<std::uint64_t> content_length() const noexcept;
  std::uint64_t received() const noexcept;
  /// Fields after a chunked body, when it has been read.
  const Headers& trailers() const noexcept;

  /// The next piece of the body, decompressed; nullopt at its end.
  Task<std::optional<std::string>> read();
  /// The rest of the body as it came; at most `SessionOptions::max_body` bytes.
  Task<std::string> text();
  Task<std::string> bytes();
  /// The same, parsed; include <clearway/json.hpp> to use it. `DecodeError` when it is not JSON.
  Task<nlohmann::json> json();

  /// Throws `StatusError` with the body's beginning unless `ok()`.
  Task<> ensure_ok();

 private:
  std::unique_ptr<detail::Exchange> exchange_;
};

}  // namespace clearway::http
