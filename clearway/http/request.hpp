#pragma once

// A request as its handler sees it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <clearway/http/message.hpp>
#include <clearway/http/query.hpp>
#include <clearway/http/router.hpp>
#include <clearway/loop/address.hpp>
#include <clearway/task/task.hpp>
#include <nlohmann/json_fwd.hpp>

namespace clearway {
struct TlsInfo;
}

namespace clearway::http {

namespace detail {
class ServerExchange;
}

// Lives as long as its handler, the writer of a streamed answer included. Views that it gives live
// as long.
//
// Reading the body may throw, and a handler that lets these pass has given the right answer: Abort
// (413 beyond the limit, 408 when the client stops sending, 400 for text that is not what it should
// be), ProtocolError (400), Truncated when the client has left.
class Request {
 public:
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  [[nodiscard]] Method method() const noexcept { return head_.method(); }
  [[nodiscard]] std::string_view method_name() const noexcept { return head_.method_name(); }
  // As it was sent: "/users/7?full=1".
  [[nodiscard]] std::string_view target() const noexcept { return head_.target(); }
  // Percent-encoded, as it was sent.
  [[nodiscard]] std::string_view path() const noexcept { return head_.path(); }
  // Host and port that the client asked for.
  [[nodiscard]] std::string_view host() const noexcept { return head_.host(); }
  [[nodiscard]] const Headers& headers() const noexcept { return head_.headers(); }
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept {
    return head_.headers().get(name);
  }
  // 1 for HTTP/1.1, 0 for HTTP/1.0.
  [[nodiscard]] int minor_version() const noexcept { return head_.minor_version(); }

  // The parameters of the query, decoded.
  [[nodiscard]] const Query& query();
  // The first one of that name.
  [[nodiscard]] std::optional<std::string_view> query(std::string_view name);
  // A parameter of the route by its name, decoded; throws UsageError when the route has none.
  [[nodiscard]] std::string parameter(std::string_view name) const;

  // The client, or who a balancer says it is.
  [[nodiscard]] const Address& peer() const noexcept;
  // What was agreed upon where TLS is spoken, with the client's certificate if it has shown one;
  // nullopt without TLS. Include <clearway/tls/info.hpp>.
  [[nodiscard]] std::optional<TlsInfo> tls() const;

  // The whole body. May be called again; what read() took is missing from it.
  Task<std::string> body();
  // The same as text: refused with 400 unless it is UTF-8.
  Task<std::string> text();
  // The body as JSON, 400 if it is none. Needs <clearway/json.hpp> where it is called.
  Task<nlohmann::json> json();
  // The body as application/x-www-form-urlencoded; 415 if it is something else.
  Task<Query> form();
  // The next piece, of any size, as it comes; nullopt at the end.
  Task<std::optional<std::string>> read();
  // How many bytes the body may have, instead of the server's body_limit.
  void set_body_limit(std::uint64_t bytes) noexcept { body_limit_ = bytes; }
  [[nodiscard]] std::optional<std::uint64_t> content_length() const noexcept {
    return head_.content_length();
  }

 private:
  friend class detail::ServerExchange;
  explicit Request(detail::ServerExchange& exchange, const RequestHead& head) noexcept
      : exchange_(exchange), head_(head) {}
  void restart(std::uint64_t body_limit) noexcept;

  detail::ServerExchange& exchange_;
  const RequestHead& head_;
  Router::Match route_;
  std::uint64_t body_limit_ = 0;
  bool body_kept_ = false;
  bool query_read_ = false;
  Query query_;
  std::string body_;
};

}  // namespace clearway::http
