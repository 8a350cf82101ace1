#include <clearway/http/characters.hpp>
#include <clearway/http/headers.hpp>
#include <clearway/http/url.hpp>
#include <clearway/http/url_reader.hpp>

#include <fmt/format.h>

namespace clearway::http {

Url Url::parse(std::string_view text) { return UrlReader(text, false).read_absolute(); }

Url Url::resolve(std::string_view reference) const {
  reference = trim_blanks(reference);
  UrlReader reader(reference, true);
  if (reader.has_scheme()) return reader.read_absolute();
  Url url = *this;
  if (reference.starts_with("//")) {
    reader.read_authority_and_rest(url, 2);
    return url;
  }
  const bool keeps_path = reference.empty() || reference[0] == '?' || reference[0] == '#';
  if (!keeps_path) {
    const std::string directory = path_.substr(0, path_.rfind('/') + 1);
    reader.read_rest(url, 0, directory);
    return url;
  }
  reader.read_rest(url, 0, path_);
  if (reference.empty() || reference[0] == '#') url.query_ = query_;
  return url;
}

std::string Url::user() const {
  const std::string_view text = std::string_view(userinfo_).substr(0, userinfo_.find(':'));
  return percent_decode(text).value_or(std::string(text));
}

std::string Url::password() const {
  const std::size_t colon = userinfo_.find(':');
  if (colon == std::string::npos) return {};
  const std::string_view text = std::string_view(userinfo_).substr(colon + 1);
  return percent_decode(text).value_or(std::string(text));
}

std::string_view Url::host_name() const noexcept {
  std::string_view name = host_;
  if (name.starts_with('[')) name = name.substr(1, name.size() - 2);
  return name;
}

bool Url::has_default_port() const noexcept { return port_ == default_port(scheme_); }

// Every request asks for these: formatting them took a tenth of a client's instructions.
std::string Url::authority() const {
  std::string text = host_;
  if (!has_default_port()) text.append(":").append(fmt::format_int(port_).c_str());
  return text;
}
std::string Url::origin() const { return scheme_ + "://" + authority(); }

std::string Url::target() const { return query_ ? path_ + "?" + *query_ : path_; }

bool Url::same_origin(const Url& other) const noexcept {
  return scheme_ == other.scheme_ && host_ == other.host_ && port_ == other.port_;
}

std::string Url::to_string() const {
  std::string out = scheme_ + "://";
  if (!userinfo_.empty()) out += userinfo_ + "@";
  out += authority() + target();
  if (fragment_) out += "#" + *fragment_;
  return out;
}

std::string Url::without_secrets() const { return origin() + target(); }

void Url::append_query(std::string_view encoded) {
  if (encoded.empty()) return;
  set_query(query_ && !query_->empty() ? *query_ + "&" + std::string(encoded)
                                       : std::string(encoded));
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (char byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    if (detail::is(byte, detail::kUnreserved)) {
      out += byte;
    } else {
      out += '%';
      out += hex[value >> 4];
      out += hex[value & 15];
    }
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = detail::hex_value(text[i + 1]);
    const int low = detail::hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace clearway::http
