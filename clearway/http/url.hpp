#pragma once

#include <clearway/http/error.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clearway::http {

/// An absolute http, https, ws or wss URL, in normal form: scheme and host in lower case, IPv6
/// compressed (RFC 5952), the default port dropped, "." and ".." resolved, bytes that may not
/// stand in a URL percent-encoded (non-ASCII ones included, taken as UTF-8). What is already
/// encoded stays as it is.
///
/// Stricter than browsers on purpose, because two readers of such text often disagree: a space or
/// control byte anywhere, a backslash before the query, a missing slash, a second '@', a percent
/// sign or non-ASCII letter in the host (write its "xn--" form), port 0, and numbers that only look
/// like an IPv4 address ("127.1", "0x7f.0.0.1") are refused. The `UrlError` says what was wrong and
/// the column; it does not show a password.
class Url {
 public:
  /// Throws `UrlError`.
  static Url parse(std::string_view text);

  /// The URL that `reference` means when met at this one (RFC 3986 section 5.2): an absolute URL,
  /// "//host/path", "/path", "path", "?query" or "#fragment". Spaces are encoded here, since many
  /// servers leave them in a Location. Throws `UrlError`.
  Url resolve(std::string_view reference) const;

  const std::string& scheme() const noexcept { return scheme_; }
  bool secure() const noexcept { return scheme_ == "https" || scheme_ == "wss"; }
  /// As written, percent-encoded; empty if absent. `user()` and `password()` decode it.
  const std::string& userinfo() const noexcept { return userinfo_; }
  std::string user() const;
  std::string password() const;
  /// Lower case; an IPv6 address stands in brackets, as in the Host field.
  const std::string& host() const noexcept { return host_; }
  /// For a resolver: the host without brackets.
  std::string_view host_name() const noexcept;
  /// The host is an IPv4 or IPv6 address: nothing to resolve.
  bool host_is_address() const noexcept { return host_is_address_; }
  /// The port in force: the one given or the scheme's (80 or 443).
  std::uint16_t port() const noexcept { return port_; }
  bool has_default_port() const noexcept;
  /// Begins with '/'.
  const std::string& path() const noexcept { return path_; }
  /// Without '?'; absent is not the same as empty.
  const std::optional<std::string>& query() const noexcept { return query_; }
  const std::optional<std::string>& fragment() const noexcept { return fragment_; }

  /// For the Host field: "host" or "host:8080".
  std::string authority() const;
  /// For the request line: "/path?query".
  std::string target() const;
  /// "https://host:8443": two URLs with the same text may share credentials (RFC 6454).
  std::string origin() const;
  bool same_origin(const Url& other) const noexcept;
  /// The whole URL; `without_secrets` leaves out userinfo and fragment, for messages and logs.
  std::string to_string() const;
  std::string without_secrets() const;

  /// Replaces the query by an encoded one, or adds to it with '&'.
  void set_query(std::string_view encoded);
  void append_query(std::string_view encoded);
  void clear_userinfo() noexcept { userinfo_.clear(); }
  void clear_fragment() noexcept { fragment_.reset(); }

  friend bool operator==(const Url&, const Url&) = default;

 private:
  friend class UrlReader;
  Url() = default;

  std::string scheme_;
  std::string userinfo_;
  std::string host_;
  std::string path_;
  std::optional<std::string> query_;
  std::optional<std::string> fragment_;
  std::uint16_t port_ = 0;
  bool host_is_address_ = false;
};

/// Every byte but letters, digits and "-._~" as %XX: for one path segment or value.
std::string percent_encode(std::string_view text);

/// Undoes percent-encoding once. Empty if a '%' is not followed by two hex digits. Bytes are not
/// judged: a caller that makes file names of them must refuse '\0' and '/'.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace clearway::http
