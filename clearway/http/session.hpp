#pragma once

#include <clearway/http/client_error.hpp>
#include <clearway/http/client_options.hpp>
#include <clearway/http/client_request.hpp>
#include <clearway/http/client_response.hpp>

#include <memory>
#include <string_view>

namespace clearway::http {

/// An HTTP/1.1 client: keeps connections and uses them again.
///
///     http::Session session("http://example.com", {.limit = 150});
///     auto creature = co_await session.get("/api/v2/pokemon/25").json();
///
/// URLs are resolved against the base URL, if there is one; absolute ones may lead anywhere. It
/// belongs to the loop that uses it first. It may be destroyed while responses are still read.
class Session {
 public:
  explicit Session(SessionOptions options = {});
  /// Throws `UrlError`.
  explicit Session(std::string_view base_url, SessionOptions options = {});
  Session(Session&& other) noexcept;
  Session& operator=(Session&& other) noexcept;
  ~Session();

  ClientRequest get(std::string_view url);
  ClientRequest head(std::string_view url);
  ClientRequest post(std::string_view url);
  ClientRequest put(std::string_view url);
  ClientRequest patch(std::string_view url);
  ClientRequest delete_(std::string_view url);
  /// Any other method; throws `HeaderError` if it is no token.
  ClientRequest request(std::string_view method, std::string_view url);

  /// Fields that go with every request unless it has its own of that name. Credentials among them
  /// go to the base URL's origin only; without a base URL they go wherever requests do.
  Headers& headers() noexcept;

  const SessionOptions& options() const noexcept;
  /// Connections that are in use or kept, and those that are kept.
  std::size_t connections() const noexcept;
  std::size_t idle_connections() const noexcept;
  /// Closes the connections that nobody uses.
  void close_idle() noexcept;

 private:
  std::shared_ptr<detail::SessionCore> core_;
};

}  // namespace clearway::http
