#include <clearway/http/characters.hpp>
#include <clearway/http/headers.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace clearway::http {

namespace detail {

std::string show_byte(char byte) {
  const auto value = static_cast<unsigned char>(byte);
  switch (value) {
    case '\r':
      return "byte 0x0D (CR)";
    case '\n':
      return "byte 0x0A (LF)";
    case '\t':
      return "byte 0x09 (tab)";
    case ' ':
      return "a space";
    case 0:
      return "byte 0x00 (NUL)";
    default:
      break;
  }
  if (value > 0x20 && value < 0x7f) return fmt::format("'{}'", byte);
  return fmt::format("byte 0x{:02X}", value);
}

}  // namespace detail

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && detail::lower(a[i]) != detail::lower(b[i])) return false;
  }
  return true;
}

std::string_view trim_blanks(std::string_view text) noexcept {
  const auto blank = [](char byte) { return byte == ' ' || byte == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool has_token(std::string_view list, std::string_view token) noexcept {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (equal_ignoring_case(trim_blanks(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

void check_header(std::string_view name, std::string_view value) {
  const char* name_end = name.data() + name.size();
  const char* fault = detail::skip(name.data(), name_end, detail::kToken);
  if (name.empty()) throw HeaderError("header without a name: the name must not be empty");
  if (name.size() > std::numeric_limits<std::uint16_t>::max()) {
    throw HeaderError(fmt::format("header name of {} bytes is too long", name.size()));
  }
  if (fault != name_end) {
    throw HeaderError(fmt::format("header name may not contain {} (position {} of {} bytes)",
                                  detail::show_byte(*fault), fault - name.data() + 1, name.size()));
  }
  const char* value_end = value.data() + value.size();
  fault = detail::skip_text(value.data(), value.data(), value_end);
  if (fault != value_end) {
    throw HeaderError(fmt::format("value of header {} may not contain {} (position {} of {} bytes)",
                                  name, detail::show_byte(*fault), fault - value.data() + 1,
                                  value.size()));
  }
}

bool Headers::matches(const Entry& entry, std::string_view name, std::uint16_t key) const noexcept {
  return entry.key == key && entry.name_length == name.size() &&
         equal_ignoring_case(std::string_view(text_).substr(entry.name_at, name.size()), name);
}

Headers::Iterator Headers::begin() const noexcept { return Iterator(this, 0); }
Headers::Iterator Headers::end() const noexcept { return Iterator(this, entries_.size()); }

std::optional<std::string_view> Headers::get(std::string_view name) const noexcept {
  const std::uint16_t key = key_of(name);
  for (const Entry& entry : entries_) {
    if (matches(entry, name, key)) {
      return std::string_view(text_).substr(entry.value_at, entry.value_length);
    }
  }
  return std::nullopt;
}

std::vector<std::string_view> Headers::get_all(std::string_view name) const {
  std::vector<std::string_view> values;
  const std::uint16_t key = key_of(name);
  for (const Entry& entry : entries_) {
    if (matches(entry, name, key)) {
      values.push_back(std::string_view(text_).substr(entry.value_at, entry.value_length));
    }
  }
  return values;
}

bool Headers::contains(std::string_view name) const noexcept { return get(name).has_value(); }

Headers::Entry Headers::store(std::string_view name, std::string_view value) {
  check_header(name, value);
  value = trim_blanks(value);
  if (text_.size() + name.size() + value.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw HeaderError(fmt::format("header {} does not fit: headers end at 4 GB", name));
  }
  // A caller may pass views into this very object, so the text must not move between the two.
  if (text_.capacity() - text_.size() < name.size() + value.size()) {
    std::string grown;
    grown.reserve(std::max(text_.capacity() * 2, text_.size() + name.size() + value.size() + 64));
    grown.append(text_).append(name).append(value);
    text_.swap(grown);
  } else {
    text_.append(name).append(value);
  }
  const std::size_t value_at = text_.size() - value.size();
  return {static_cast<std::uint32_t>(value_at - name.size()), static_cast<std::uint32_t>(value_at),
          static_cast<std::uint32_t>(value.size()), static_cast<std::uint16_t>(name.size()),
          key_of({text_.data() + value_at - name.size(), name.size()})};
}

void Headers::add(std::string_view name, std::string_view value) {
  if (entries_.size() == entries_.capacity()) {
    entries_.reserve(std::max<std::size_t>(8, entries_.capacity() * 2));
  }
  entries_.push_back(store(name, value));
}

bool Headers::add_if_absent(std::string_view name, std::string_view value) {
  if (contains(name)) return false;
  add(name, value);
  return true;
}

void Headers::set(std::string_view name, std::string_view value) {
  const std::uint16_t key = key_of(name);
  const auto first = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return matches(entry, name, key); });
  if (first == entries_.end()) return add(name, value);
  const Entry stored = store(name, value);
  // `name` may have pointed into text that has moved: from here on only the stored one counts.
  const std::string_view own = std::string_view(text_).substr(stored.name_at, stored.name_length);
  *first = stored;
  entries_.erase(std::remove_if(first + 1, entries_.end(),
                                [&](const Entry& entry) { return matches(entry, own, key); }),
                 entries_.end());
  compact();
}

std::size_t Headers::remove(std::string_view name) {
  const std::uint16_t key = key_of(name);
  const auto kept = std::remove_if(entries_.begin(), entries_.end(),
                                   [&](const Entry& entry) { return matches(entry, name, key); });
  const auto removed = static_cast<std::size_t>(entries_.end() - kept);
  entries_.erase(kept, entries_.end());
  return removed;
}

// Replaced fields leave their text behind; a header set a million times must not grow for ever.
void Headers::compact() {
  std::size_t used = 0;
  for (const Entry& entry : entries_) used += entry.name_length + entry.value_length;
  if (text_.size() < 1024 || text_.size() < used * 4) return;
  std::string fresh;
  fresh.reserve(used * 2);
  for (Entry& entry : entries_) {
    const auto name_at = static_cast<std::uint32_t>(fresh.size());
    fresh.append(text_, entry.name_at, entry.name_length);
    const auto value_at = static_cast<std::uint32_t>(fresh.size());
    fresh.append(text_, entry.value_at, entry.value_length);
    entry.name_at = name_at;
    entry.value_at = value_at;
  }
  text_ = std::move(fresh);
}

void Headers::clear() noexcept {
  text_.clear();
  entries_.clear();
}

void Headers::reserve(std::size_t fields, std::size_t bytes) {
  entries_.reserve(fields);
  text_.reserve(bytes);
}

bool operator==(const Headers& a, const Headers& b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Header x = a[i];
    const Header y = b[i];
    if (!equal_ignoring_case(x.name, y.name) || x.value != y.value) return false;
  }
  return true;
}

StatusError::StatusError(int status, std::string url, std::string excerpt)
    : Error(
          [&] {
            std::string shown = excerpt.substr(0, 200);
            for (char& byte : shown) {
              const auto value = static_cast<unsigned char>(byte);
              if (value < 0x20 || value == 0x7f) byte = ' ';
            }
            std::string message = fmt::format("{} answered with status {}", url, status);
            if (!shown.empty()) message += fmt::format(": {}", trim_blanks(shown));
            return message;
          }(),
          Phase::Body, Sent::Whole),
      status_(status),
      url_(std::move(url)),
      excerpt_(std::move(excerpt)) {}

}  // namespace clearway::http
