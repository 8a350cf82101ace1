#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clearway::http {

/// An ordered list of names and values, as it stands in a URL's query or a form's body
/// (application/x-www-form-urlencoded, WHATWG URL section 5). A name may occur more than once.
class Query {
 public:
  using Pair = std::pair<std::string, std::string>;

  Query() = default;

  /// Reads "a=1&b=two+words%21". Never fails: what is not a valid escape stays as it is written.
  /// At most `limit` pairs are read; the rest is ignored.
  static Query parse(std::string_view text, std::size_t limit = 1000);

  void add(std::string_view name, std::string_view value);
  /// Replaces all of that name.
  void set(std::string_view name, std::string_view value);
  std::optional<std::string_view> get(std::string_view name) const noexcept;
  std::vector<std::string_view> get_all(std::string_view name) const;
  bool contains(std::string_view name) const noexcept;

  /// "a=1&b=two+words%21".
  std::string to_string() const;

  bool empty() const noexcept { return pairs_.empty(); }
  std::size_t size() const noexcept { return pairs_.size(); }
  auto begin() const noexcept { return pairs_.begin(); }
  auto end() const noexcept { return pairs_.end(); }

  friend bool operator==(const Query&, const Query&) = default;

 private:
  std::vector<Pair> pairs_;
};

/// One name or value in form encoding: a space becomes '+'.
void append_form_encoded(std::string& out, std::string_view text);

}  // namespace clearway::http
