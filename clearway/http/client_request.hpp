#pragma once

#include <clearway/base/unique_function.hpp>
#include <clearway/http/client_response.hpp>
#include <clearway/loop/time.hpp>
#include <clearway/task/dialect.hpp>
#include <clearway/task/task.hpp>

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace clearway::http {

/// A request on its way to be awaited:
///
///     auto response = co_await session.get("/users").query("page", "2");
///     auto answer = co_await session.post("/login").basic_auth(user, password).json();
///
/// Awaiting the request itself gives the response whatever its status; the one-line forms `text()`,
/// `bytes()` and `json()` throw `StatusError` unless it is 200 to 299, and read the whole body.
/// Nothing happens before it is awaited, and it may go to a combinator instead. Names and values
/// are checked when they are given (`HeaderError`), the URL when the request is awaited
/// (`UrlError`). Cancelled: the connection is closed, and the request may have been carried out.
class [[nodiscard("a request does nothing until it is awaited")]] ClientRequest {
 public:
  explicit ClientRequest(std::unique_ptr<detail::Exchange> exchange) noexcept;
  ClientRequest(ClientRequest&& other) noexcept;
  ClientRequest& operator=(ClientRequest&& other) noexcept;
  ~ClientRequest();

  /// Replaces the session's field of that name, and an earlier one of this request.
  ClientRequest&& header(std::string_view name, std::string_view value) &&;
  /// Adds to the URL's query; encoded here.
  ClientRequest&& query(std::string_view name, std::string_view value) &&;
  template <std::integral I>
  ClientRequest&& query(std::string_view name, I value) && {
    return std::move(*this).query(name, std::to_string(value));
  }
  /// A field of an HTML form; all of them make the body.
  ClientRequest&& form(std::string_view name, std::string_view value) &&;
  /// The body, and the field that says what it is.
  ClientRequest&& body(std::string bytes, std::string_view type = "application/octet-stream") &&;
  ClientRequest&& json(const nlohmann::json& value) &&;
  /// A body in pieces: `source()` gives a `Task<std::optional<std::string>>`, nullopt at the end.
  /// Such a request is never repeated: neither silently nor after a 307 or 308.
  template <class F>
  ClientRequest&& body_stream(F&& source) && {
    check_dialect<F>();
    return std::move(*this).set_source(std::forward<F>(source), std::nullopt);
  }
  /// The same with a length, which servers that do not know chunked bodies need.
  template <class F>
  ClientRequest&& body_stream(std::uint64_t length, F&& source) && {
    check_dialect<F>();
    return std::move(*this).set_source(std::forward<F>(source), length);
  }
  ClientRequest&& basic_auth(std::string_view user, std::string_view password) &&;
  /// For the whole request; replaces `ClientTimeouts::total`.
  ClientRequest&& timeout(Duration total) &&;
  /// A redirect is an answer like any other.
  ClientRequest&& no_redirects() &&;

  /// What awaiting the request does.
  Task<ClientResponse> send() &&;
  clearway::detail::TaskAwaiter<ClientResponse> operator co_await() &&;

  Task<std::string> text() &&;
  Task<std::string> bytes() &&;
  /// Include <clearway/json.hpp> to use what it gives.
  Task<nlohmann::json> json() &&;

 private:
  using Source = UniqueFunction<Task<std::optional<std::string>>()>;

  ClientRequest&& set_source(Source source, std::optional<std::uint64_t> length) &&;

  std::unique_ptr<detail::Exchange> exchange_;
};

}  // namespace clearway::http
