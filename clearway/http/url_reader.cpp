#include <clearway/http/characters.hpp>
#include <clearway/http/headers.hpp>
#include <clearway/http/url_reader.hpp>
#include <clearway/net/idna.hpp>

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace clearway::http {

namespace {

using detail::is_digit;

constexpr std::string_view kHex = "0123456789ABCDEF";
// What is encoded besides controls, spaces and non-ASCII bytes (WHATWG URL section 1.3).
constexpr std::string_view kPathSet = "\"#<>?^`{}";
constexpr std::string_view kQuerySet = "\"#<>'\\";
constexpr std::string_view kFragmentSet = "\"<>`";
constexpr std::string_view kUserSet = "\"#<>?^`{}/;=@[]|";

void append_encoded(std::string& out, std::string_view text, std::string_view encoded) {
  for (char byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    if (value <= 0x20 || value >= 0x7f || encoded.find(byte) != std::string_view::npos) {
      out += '%';
      out += kHex[value >> 4];
      out += kHex[value & 15];
    } else {
      out += byte;
    }
  }
}

bool is_alphabetic(char byte) noexcept {
  const char small = detail::lower(byte);
  return small >= 'a' && small <= 'z';
}

// How many dots a path segment stands for, written as '.' or "%2e"; 0 if it is anything else.
int dots(std::string_view segment) {
  int count = 0;
  while (!segment.empty()) {
    if (segment.front() == '.') {
      segment.remove_prefix(1);
    } else if (segment.size() >= 3 && equal_ignoring_case(segment.substr(0, 3), "%2e")) {
      segment.remove_prefix(3);
    } else {
      return 0;
    }
    if (++count > 2) return 0;
  }
  return count;
}

// RFC 3986 section 5.2.4, for a path that begins with '/'.
std::string remove_dot_segments(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(1, end - 1);
    const bool last = end == path.size();
    const int count = dots(segment);
    if (count == 0) {
      out.append("/").append(segment);
    } else {
      if (count == 2 && !out.empty()) out.resize(out.rfind('/'));
      if (last) out += '/';
    }
    path.remove_prefix(end);
  }
  return out.empty() ? "/" : out;
}

// RFC 5952: the longest run of two or more zero groups is left out, the first if there are several.
std::string format_ipv6(const std::array<unsigned char, 16>& address) {
  std::array<unsigned, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = address[2 * i] * 256u + address[2 * i + 1];
  std::size_t best = 8;
  std::size_t best_length = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t length = 0;
    while (i + length < 8 && groups[i + length] == 0) ++length;
    if (length > best_length) {
      best = i;
      best_length = length;
    }
  }
  std::string out = "[";
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == best) {
      out += "::";
      i += best_length - 1;
      continue;
    }
    if (out.back() != ':' && out.back() != '[') out += ':';
    out += fmt::format("{:x}", groups[i]);
  }
  return out + "]";
}

// The last label alone decides that a host is meant as an IPv4 address (WHATWG URL section 3.5).
bool looks_like_ipv4(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::size_t dot = host.rfind('.');
  const std::string_view label = dot == std::string_view::npos ? host : host.substr(dot + 1);
  if (label.empty()) return false;
  if (label.size() >= 2 && label[0] == '0' && label[1] == 'x') {
    return std::all_of(label.begin() + 2, label.end(),
                       [](char byte) { return detail::hex_value(byte) >= 0; });
  }
  return std::all_of(label.begin(), label.end(), is_digit);
}

// What a message may show: without control bytes, without a password, not endless.
std::string showable(std::string_view text) {
  std::string out(text.substr(0, 200));
  if (text.size() > 200) out += "...";
  const std::size_t slashes = out.find("//");
  if (slashes != std::string::npos) {
    const std::size_t end = std::min(out.find_first_of("/?#", slashes + 2), out.size());
    const std::size_t at = out.rfind('@', end);
    if (at != std::string::npos && at > slashes) out.replace(slashes + 2, at - slashes - 2, "***");
  }
  for (char& byte : out) {
    const auto value = static_cast<unsigned char>(byte);
    if (value < 0x20 || value == 0x7f) byte = '?';
  }
  return out;
}

}  // namespace

std::uint16_t default_port(std::string_view scheme) noexcept {
  if (scheme == "http" || scheme == "ws") return 80;
  if (scheme == "https" || scheme == "wss") return 443;
  return 0;
}

UrlReader::UrlReader(std::string_view text, bool encode_spaces) : text_(text) {
  constexpr std::size_t longest = 64 * 1024;
  if (text.size() > longest) fail(longest, "it is longer than 65536 bytes");
  const std::size_t query = std::min(text.find_first_of("?#"), text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto value = static_cast<unsigned char>(text[i]);
    if (value < 0x20 || value == 0x7f || (value == 0x20 && !encode_spaces)) {
      fail(i, fmt::format("{} is not allowed", detail::show_byte(text[i])));
    }
    if (text[i] == '\\' && i < query) fail(i, "a backslash is not allowed: write '/'");
  }
}

void UrlReader::fail(std::size_t at, std::string_view reason) const {
  throw UrlError(fmt::format("invalid URL \"{}\": {} (column {})", showable(text_), reason, at + 1),
                 at + 1);
}

bool UrlReader::has_scheme() const noexcept {
  if (text_.empty() || !is_alphabetic(text_.front())) return false;
  for (char byte : text_) {
    if (byte == ':') return true;
    if (!is_alphabetic(byte) && !is_digit(byte) && byte != '+' && byte != '-' && byte != '.') {
      return false;
    }
  }
  return false;
}

Url UrlReader::read_absolute() {
  if (text_.empty()) fail(0, "it is empty");
  const std::size_t colon = text_.find(':');
  const std::size_t slashes = text_.find("://");
  // "localhost:8080/x" has a colon, but what it lacks is a scheme.
  const bool port_follows = colon < text_.size() - 1 && is_digit(text_[colon + 1]);
  if (!has_scheme() || port_follows) {
    fail(0, "it has no scheme: write http:// or https:// before the host");
  }
  Url url;
  for (char byte : text_.substr(0, colon)) url.scheme_ += detail::lower(byte);
  if (default_port(url.scheme_) == 0) {
    fail(0, fmt::format("scheme \"{}\" is not http, https, ws or wss", url.scheme_));
  }
  if (slashes != colon) fail(colon + 1, "\"//\" must follow the scheme");
  read_authority_and_rest(url, colon + 3);
  return url;
}

void UrlReader::read_authority_and_rest(Url& url, std::size_t at) {
  const std::size_t end = std::min(text_.find_first_of("/?#", at), text_.size());
  const std::string_view authority = text_.substr(at, end - at);
  const std::size_t sign = authority.rfind('@');
  std::size_t host_at = at;
  url.userinfo_.clear();
  if (sign != std::string_view::npos) {
    read_userinfo(url, at, at + sign);
    host_at = at + sign + 1;
  }
  std::size_t host_end = end;
  if (host_at < end && text_[host_at] == '[') {
    const std::size_t close = text_.find(']', host_at);
    if (close == std::string_view::npos || close >= end) {
      fail(host_at, "the IPv6 address lacks its closing ']'");
    }
    host_end = close + 1;
    read_address(url, host_at, host_end);
    if (host_end < end && text_[host_end] != ':') fail(host_end, "only a port may follow ']'");
  } else {
    host_end = std::min(text_.find(':', host_at), end);
    read_host(url, host_at, host_end);
  }
  url.port_ = default_port(url.scheme_);
  if (host_end + 1 < end) read_port(url, host_end + 1, end);
  read_rest(url, end, "/");
}

void UrlReader::read_userinfo(Url& url, std::size_t from, std::size_t to) const {
  const std::string_view text = text_.substr(from, to - from);
  const std::size_t second = text.find('@');
  if (second != std::string_view::npos) {
    fail(from + second, "a second '@' in the authority: write %40 in a user name or password");
  }
  const std::size_t colon = std::min(text.find(':'), text.size());
  append_encoded(url.userinfo_, text.substr(0, colon), kUserSet);
  if (colon + 1 < text.size()) {
    url.userinfo_ += ':';
    // Further colons belong to the password.
    append_encoded(url.userinfo_, text.substr(colon + 1), kUserSet);
  }
}

void UrlReader::read_host(Url& url, std::size_t from, std::size_t to) const {
  if (from == to) fail(from, "the host is empty");
  if (to - from > 255) fail(from + 255, "the host is longer than 255 bytes");
  std::string problem;
  const std::string host =
      clearway::detail::idna_to_ascii(std::string(text_.substr(from, to - from)), problem);
  if (host.empty()) fail(from, "the host is not an international name: " + problem);
  url.host_.clear();
  for (std::size_t i = 0; i < host.size(); ++i) {
    const char byte = host[i];
    if (!detail::is(byte, detail::kHost) || byte == '%') {
      fail(std::min(from + i, to - 1),
           fmt::format("{} cannot stand in a host", detail::show_byte(byte)));
    }
    url.host_ += detail::lower(byte);
  }
  url.host_is_address_ = false;
  if (!looks_like_ipv4(url.host_)) return;
  in_addr address{};
  if (inet_pton(AF_INET, url.host_.c_str(), &address) != 1) {
    fail(from, "the host ends in a number but is no IPv4 address of four parts 0 to 255");
  }
  url.host_is_address_ = true;
}

void UrlReader::read_address(Url& url, std::size_t from, std::size_t to) const {
  const std::string inside(text_.substr(from + 1, to - from - 2));
  if (inside.find('%') != std::string::npos) {
    fail(from + 1 + inside.find('%'), "a zone in an IPv6 address is not supported");
  }
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET6, inside.c_str(), bytes.data()) != 1) {
    fail(from + 1, "what stands in brackets is no IPv6 address");
  }
  url.host_ = format_ipv6(bytes);
  url.host_is_address_ = true;
}

void UrlReader::read_port(Url& url, std::size_t from, std::size_t to) const {
  std::size_t at = from;
  std::uint32_t port = 0;
  for (; at < to; ++at) {
    if (!is_digit(text_[at])) fail(at, "a port consists of digits");
    port = port * 10 + static_cast<std::uint32_t>(text_[at] - '0');
    if (port > 65535) fail(from, "the port is above 65535");
  }
  if (port == 0) fail(from, "port 0 cannot be connected to");
  url.port_ = static_cast<std::uint16_t>(port);
}

void UrlReader::read_rest(Url& url, std::size_t at, std::string_view directory) {
  const std::size_t hash = std::min(text_.find('#', at), text_.size());
  const std::size_t mark = std::min(text_.find('?', at), hash);
  const std::string_view path = text_.substr(at, mark - at);
  std::string whole(path.starts_with('/') ? std::string_view() : directory);
  append_encoded(whole, path, kPathSet);
  url.path_ = remove_dot_segments(whole);
  url.query_.reset();
  if (mark < hash) {
    append_encoded(url.query_.emplace(), text_.substr(mark + 1, hash - mark - 1), kQuerySet);
  }
  url.fragment_.reset();
  if (hash < text_.size()) {
    append_encoded(url.fragment_.emplace(), text_.substr(hash + 1), kFragmentSet);
  }
}

void Url::set_query(std::string_view encoded) {
  std::string query;
  append_encoded(query, encoded, kQuerySet);
  query_ = std::move(query);
}

}  // namespace clearway::http
