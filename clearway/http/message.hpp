#pragma once

#include <clearway/http/headers.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clearway::http {

class RequestParser;
class ResponseParser;

/// The methods of RFC 9110 section 9 and PATCH; any other token is `Other`.
enum class Method : std::uint8_t {
  Get,
  Head,
  Post,
  Put,
  Delete,
  Connect,
  Options,
  Trace,
  Patch,
  Other
};

/// Methods are compared with their case: "get" is `Other`.
Method parse_method(std::string_view name) noexcept;
/// "GET", ...; empty for `Other`.
std::string_view to_string(Method method) noexcept;
/// Repeating it has the same effect as sending it once (RFC 9110 section 9.2.2).
bool is_idempotent(Method method) noexcept;

/// How a message's body is delimited (RFC 9112 section 6.3).
enum class BodyKind : std::uint8_t { None, Length, Chunked, UntilClose };

/// The four forms of a request target (RFC 9112 section 3.2).
enum class TargetForm : std::uint8_t { Origin, Absolute, Authority, Asterisk };

namespace detail {
/// What the framing fields of a head said; shared by both kinds of head.
struct Facts {
  std::uint64_t content_length = 0;
  std::size_t host_at = 0;  // of the field, in the list of headers
  std::uint8_t minor_version = 1;
  bool has_content_length = false;
  bool chunked = false;
  bool has_host = false;
  bool connection_close = false;
  bool connection_keep_alive = false;
  bool connection_upgrade = false;
  bool has_upgrade = false;
  bool expect_continue = false;
};
}  // namespace detail

/// A request's head, as the parser found it valid. It owns its text: views that it returns live
/// until it is filled again or destroyed. Filling it again allocates nothing once it has grown.
class RequestHead {
 public:
  Method method() const noexcept { return method_; }
  std::string_view method_name() const noexcept { return view(0, method_length_); }

  /// The target as it was sent.
  std::string_view target() const noexcept { return view(target_at_, target_length_); }
  TargetForm target_form() const noexcept { return form_; }
  /// The target's path, still percent-encoded: "/" for "http://host", "*" for `OPTIONS *`, empty
  /// for CONNECT.
  std::string_view path() const noexcept;
  /// What follows the first '?', still percent-encoded; empty if there is none.
  std::string_view query() const noexcept { return view(query_at_, query_length_); }
  /// Host and port that the request is for: the target's authority if it has one, else the Host
  /// field (the parser has refused requests where they differ); empty in HTTP/1.0 without Host.
  std::string_view host() const noexcept;

  const Headers& headers() const noexcept { return headers_; }

  /// 0 or 1, for HTTP/1.0 and HTTP/1.1.
  int minor_version() const noexcept { return facts_.minor_version; }
  /// The connection may carry another request after this one (RFC 9112 section 9.3).
  bool keep_alive() const noexcept;
  bool chunked() const noexcept { return facts_.chunked; }
  std::optional<std::uint64_t> content_length() const noexcept;
  /// `None`, `Length` or `Chunked`; a length of 0 is `None`.
  BodyKind body_kind() const noexcept;
  /// The client waits for "100 Continue" before it sends the body. Never in HTTP/1.0.
  bool expect_continue() const noexcept { return facts_.expect_continue; }
  /// Both "Connection: upgrade" and an Upgrade field are there (RFC 9110 section 7.8); the
  /// protocol asked for is in `headers().get("Upgrade")`, to be compared with `has_token`.
  bool upgrade() const noexcept { return facts_.connection_upgrade && facts_.has_upgrade; }

  /// Empties it and keeps the memory.
  void clear() noexcept;

 private:
  friend class RequestParser;

  std::string_view view(std::size_t at, std::size_t length) const noexcept {
    return {headers_.text_.data() + at, length};
  }

  Headers headers_;  // with the text of the whole head: offsets are from its beginning
  detail::Facts facts_;
  std::uint32_t method_length_ = 0;
  std::uint32_t target_at_ = 0;
  std::uint32_t target_length_ = 0;
  std::uint32_t authority_at_ = 0;
  std::uint32_t authority_length_ = 0;
  std::uint32_t path_at_ = 0;
  std::uint32_t path_length_ = 0;
  std::uint32_t query_at_ = 0;
  std::uint32_t query_length_ = 0;
  Method method_ = Method::Get;
  TargetForm form_ = TargetForm::Origin;
};

/// A response's head. Owns its text as `RequestHead` does.
class ResponseHead {
 public:
  int status() const noexcept { return status_; }
  /// As it was sent; often empty, and never to be relied on (RFC 9112 section 4).
  std::string_view reason() const noexcept { return reason_; }

  const Headers& headers() const noexcept { return headers_; }
  Headers& headers() noexcept { return headers_; }

  int minor_version() const noexcept { return facts_.minor_version; }
  bool chunked() const noexcept { return facts_.chunked; }
  std::optional<std::uint64_t> content_length() const noexcept;
  bool upgrade() const noexcept { return facts_.connection_upgrade && facts_.has_upgrade; }
  /// 100 to 199 except 101: another head follows on the same exchange.
  bool interim() const noexcept { return status_ >= 100 && status_ < 200 && status_ != 101; }

  /// How the body that answers `request` is delimited (RFC 9112 section 6.3): none for HEAD, 1xx,
  /// 204, 304 and a CONNECT that succeeded, whatever the fields say.
  BodyKind body_kind(Method request) const noexcept;
  /// The connection may be used again once the body that answers `request` has been read.
  bool keep_alive(Method request) const noexcept;

  void clear() noexcept;

 private:
  friend class ResponseParser;

  std::string reason_;
  Headers headers_;
  detail::Facts facts_;
  int status_ = 0;
};

}  // namespace clearway::http
