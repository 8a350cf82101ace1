#pragma once

#include <clearway/http/url.hpp>

#include <string>
#include <string_view>

namespace clearway::http {

/// Reads the parts of a URL. Internal to http.
class UrlReader {
 public:
  /// `encode_spaces`: for references that servers send.
  UrlReader(std::string_view text, bool encode_spaces);

  /// "scheme://authority/path?query#fragment".
  Url read_absolute();
  /// Whether the text begins with a scheme and a colon.
  bool has_scheme() const noexcept;
  /// What stands before "//" in `url` is kept.
  void read_authority_and_rest(Url& url, std::size_t at);
  /// Path, query and fragment; `directory` goes before a relative path.
  void read_rest(Url& url, std::size_t at, std::string_view directory);

  [[noreturn]] void fail(std::size_t at, std::string_view reason) const;

 private:
  void read_userinfo(Url& url, std::size_t from, std::size_t to) const;
  void read_host(Url& url, std::size_t from, std::size_t to) const;
  void read_address(Url& url, std::size_t from, std::size_t to) const;
  void read_port(Url& url, std::size_t from, std::size_t to) const;

  std::string_view text_;
};

/// The scheme's port, or 0 for a scheme that is not one of the four.
std::uint16_t default_port(std::string_view scheme) noexcept;

}  // namespace clearway::http
