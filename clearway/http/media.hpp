#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace clearway::http {

/// A Content-Type field (RFC 9110 section 8.3): `text/html; charset="utf-8"`.
struct MediaType {
  MediaType() = default;

  std::string type;      ///< "text", lower case; empty if the field was malformed
  std::string subtype;   ///< "html", lower case
  std::string charset;   ///< lower case, or empty
  std::string boundary;  ///< of a multipart body, as written, or empty

  std::string essence() const { return type.empty() ? type : type + "/" + subtype; }
  /// "application/json", "text/json" and everything that ends in "+json".
  bool is_json() const noexcept;

  static MediaType parse(std::string_view value);
};

/// "Basic dXNlcjpwYXNz" for an Authorization field (RFC 7617). Throws `HeaderError` if the user
/// has a colon or one of them a control byte.
std::string basic_auth(std::string_view user, std::string_view password);

/// Standard alphabet with padding (RFC 4648 section 4).
std::string base64_encode(std::string_view bytes);
/// Strict: nothing for a byte outside of the alphabet, wrong padding or stray bits.
std::optional<std::string> base64_decode(std::string_view text);

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7); years 0 to 9999.
std::string format_date(std::time_t time);
/// Reads IMF-fixdate and the two older forms that must be accepted; nothing if it is none of them.
std::optional<std::time_t> parse_date(std::string_view text) noexcept;

}  // namespace clearway::http
