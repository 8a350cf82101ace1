#pragma once

#include <clearway/http/error.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clearway::http {

namespace detail {
class FieldParser;
}
class RequestHead;

/// A name and its value: views into the `Headers` they came from, valid until that is changed.
struct Header {
  std::string_view name;
  std::string_view value;
};

/// The header fields of a message: an ordered multi-map whose names are compared without case
/// (RFC 9110 section 5.1). The text lies in one block beside a small index, so copying costs two
/// allocations, and filling one again after `clear()` none.
///
/// Every field is validated when it is added (RFC 9110 section 5.5): a name must be a token, a
/// value must not hold CR, LF, NUL or another control byte except tab. A value's leading and
/// trailing spaces and tabs are dropped, as every recipient would do. `HeaderError` says which
/// byte of which field was refused.
///
/// Views that are returned stay valid until the next call that changes the object.
class Headers {
 public:
  class Iterator;

  Headers() = default;

  /// The first field's value of that name.
  std::optional<std::string_view> get(std::string_view name) const noexcept;
  /// All values of that name, in order.
  std::vector<std::string_view> get_all(std::string_view name) const;
  bool contains(std::string_view name) const noexcept;

  /// Replaces every field of that name by this one (which stands where the first of them stood).
  void set(std::string_view name, std::string_view value);
  /// Appends a field and keeps those of the same name.
  void add(std::string_view name, std::string_view value);
  /// Appends the field unless one of that name is there; true if it was appended.
  bool add_if_absent(std::string_view name, std::string_view value);
  /// Removes every field of that name; the number removed.
  std::size_t remove(std::string_view name);

  /// Empties it and keeps the memory.
  void clear() noexcept;
  void reserve(std::size_t fields, std::size_t bytes);

  std::size_t size() const noexcept { return entries_.size(); }
  bool empty() const noexcept { return entries_.empty(); }
  Header operator[](std::size_t index) const noexcept;
  Iterator begin() const noexcept;
  Iterator end() const noexcept;

  /// Same fields in the same order, names compared without case.
  friend bool operator==(const Headers& a, const Headers& b) noexcept;

 private:
  friend class detail::FieldParser;
  friend class RequestHead;

  struct Entry {
    std::uint32_t name_at;
    std::uint32_t value_at;
    std::uint32_t value_length;
    std::uint16_t name_length;
    std::uint16_t key;  // of the name's length and first bytes without case: a quick "no"
  };

  static std::uint16_t key_of(std::string_view name) noexcept;
  bool matches(const Entry& entry, std::string_view name, std::uint16_t key) const noexcept;
  Entry store(std::string_view name, std::string_view value);
  void compact();

  std::string text_;  // of the fields; a parser leaves all of the head here, as it was sent
  std::vector<Entry> entries_;
};

inline Header Headers::operator[](std::size_t index) const noexcept {
  const Entry& entry = entries_[index];
  return {{text_.data() + entry.name_at, entry.name_length},
          {text_.data() + entry.value_at, entry.value_length}};
}

inline std::uint16_t Headers::key_of(std::string_view name) noexcept {
  // Setting the letter bit makes upper and lower case equal; other bytes may collide, harmlessly.
  const unsigned first = name.empty() ? 0u : static_cast<unsigned char>(name.front()) | 0x20u;
  const unsigned last = name.empty() ? 0u : static_cast<unsigned char>(name.back()) | 0x20u;
  return static_cast<std::uint16_t>((first << 8 | last) + name.size() * 257u);
}

/// Reads the fields in order; dereferencing gives a `Header`.
class Headers::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Header;
  using difference_type = std::ptrdiff_t;
  using pointer = void;
  using reference = Header;

  Iterator() = default;
  Iterator(const Headers* headers, std::size_t index) : headers_(headers), index_(index) {}

  Header operator*() const noexcept { return (*headers_)[index_]; }
  Iterator& operator++() noexcept {
    ++index_;
    return *this;
  }
  Iterator operator++(int) noexcept {
    Iterator old = *this;
    ++index_;
    return old;
  }
  bool operator==(const Iterator& other) const noexcept = default;

 private:
  const Headers* headers_ = nullptr;
  std::size_t index_ = 0;
};

/// Equal without regard to the case of ASCII letters.
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

/// Whether a comma-separated list ("keep-alive, Upgrade") has `token` as a whole element,
/// compared without case: "notupgrade" does not have "upgrade" (RFC 9110 section 5.6.1).
bool has_token(std::string_view list, std::string_view token) noexcept;

/// The text without leading and trailing spaces and tabs (RFC 9110 section 5.6.3, OWS).
std::string_view trim_blanks(std::string_view text) noexcept;

/// Throws `HeaderError` unless `name: value` may be sent.
void check_header(std::string_view name, std::string_view value);

}  // namespace clearway::http
