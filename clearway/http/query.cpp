#include <clearway/http/characters.hpp>
#include <clearway/http/query.hpp>

#include <algorithm>

namespace clearway::http {

namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";

std::string decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && detail::hex_value(text[i + 1]) >= 0 &&
               detail::hex_value(text[i + 2]) >= 0) {
      out +=
          static_cast<char>(detail::hex_value(text[i + 1]) * 16 + detail::hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

void append_form_encoded(std::string& out, std::string_view text) {
  for (char byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    // The form encoding's own set: '*' stays, '~' does not (WHATWG URL section 1.3).
    if (byte == '*' || (detail::is(byte, detail::kUnreserved) && byte != '~')) {
      out += byte;
    } else if (byte == ' ') {
      out += '+';
    } else {
      out += '%';
      out += kHex[value >> 4];
      out += kHex[value & 15];
    }
  }
}

Query Query::parse(std::string_view text, std::size_t limit) {
  Query query;
  while (!text.empty() && query.pairs_.size() < limit) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    query.pairs_.emplace_back(decode(pair.substr(0, equals)),
                              decode(pair.substr(std::min(equals + 1, pair.size()))));
  }
  return query;
}

void Query::add(std::string_view name, std::string_view value) { pairs_.emplace_back(name, value); }

void Query::set(std::string_view name, std::string_view value) {
  // Copies first: the arguments may be parts of what is about to be removed.
  Pair pair(name, value);
  const auto first = std::find_if(pairs_.begin(), pairs_.end(),
                                  [&](const Pair& entry) { return entry.first == pair.first; });
  if (first == pairs_.end()) {
    pairs_.push_back(std::move(pair));
    return;
  }
  pairs_.erase(std::remove_if(first + 1, pairs_.end(),
                              [&](const Pair& entry) { return entry.first == pair.first; }),
               pairs_.end());
  *first = std::move(pair);
}

std::optional<std::string_view> Query::get(std::string_view name) const noexcept {
  for (const Pair& pair : pairs_) {
    if (pair.first == name) return std::string_view(pair.second);
  }
  return std::nullopt;
}

std::vector<std::string_view> Query::get_all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Pair& pair : pairs_) {
    if (pair.first == name) values.push_back(pair.second);
  }
  return values;
}

bool Query::contains(std::string_view name) const noexcept { return get(name).has_value(); }

std::string Query::to_string() const {
  std::string out;
  for (const Pair& pair : pairs_) {
    if (!out.empty()) out += '&';
    append_form_encoded(out, pair.first);
    out += '=';
    append_form_encoded(out, pair.second);
  }
  return out;
}

}  // namespace clearway::http
