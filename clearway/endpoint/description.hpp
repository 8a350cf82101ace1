#pragma once

// The text of an endpoint, taken apart. The grammar is that of Twisted's serverFromString and
// clientFromString: a kind and arguments, with colons between them, each by its position or as
// name=value. A backslash takes away the meaning of the character after it.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <clearway/loop/address.hpp>
#include <clearway/loop/time.hpp>

namespace clearway {

// `text` as it must be written to stand for itself in an endpoint: a path, an IPv6 address, or a
// whole endpoint within another one.
std::string quote_endpoint(std::string_view text);

namespace detail {

struct EndpointArgument {
  EndpointArgument() = default;
  std::size_t column = 0;  // where it begins in the text, from 1
  std::optional<std::string> name;
  std::string value;
};

class EndpointDescription {
 public:
  // Throws UsageError for text that ends in a backslash, and for a kind that looks like name=value.
  explicit EndpointDescription(std::string text);

  // In lower case: kinds are the same however they are written.
  [[nodiscard]] const std::string& kind() const noexcept { return kind_; }
  // After the kind.
  [[nodiscard]] const std::vector<EndpointArgument>& arguments() const noexcept {
    return arguments_;
  }
  // What its arguments say, without the first `count` of them, is an endpoint itself.
  [[nodiscard]] EndpointDescription inner(std::size_t count) const;

  // Throws UsageError, which names the column, from 1.
  [[noreturn]] void refuse(std::size_t column, std::string_view reason) const;
  // The column after the last.
  [[nodiscard]] std::size_t end() const noexcept { return text_.size() + 1; }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  EndpointDescription() = default;
  void take_kind(EndpointArgument first);

  std::string text_;
  std::string kind_;
  std::vector<EndpointArgument> arguments_;
};

// The arguments of one kind of endpoint, by name.
class EndpointArguments {
 public:
  // `names` in the order of their positions. Throws UsageError for an argument that is unknown, one
  // too many, or given twice. The description must live as long.
  EndpointArguments(const EndpointDescription& description,
                    std::initializer_list<std::string_view> names);

  // Null when it was not given.
  [[nodiscard]] const EndpointArgument* find(std::string_view name) const noexcept;
  // Throws UsageError when it was not given, or is empty.
  [[nodiscard]] const EndpointArgument& require(std::string_view name,
                                                std::string_view advice) const;
  // The same for what names a file or a folder: one that is there is not empty.
  [[nodiscard]] const EndpointArgument* find_file(std::string_view name) const;
  [[nodiscard]] std::string text_or(std::string_view name, std::string_view otherwise) const;

  // Conversions; each throws UsageError when there is no such value.
  [[nodiscard]] std::uint64_t number(const EndpointArgument& argument, std::uint64_t least,
                                     std::uint64_t most, std::string_view what,
                                     int base = 10) const;
  [[nodiscard]] std::uint16_t port(const EndpointArgument& argument) const;
  [[nodiscard]] Address address(const EndpointArgument& argument, std::uint16_t port) const;
  // Seconds, perhaps with a fraction.
  [[nodiscard]] Duration seconds(const EndpointArgument& argument) const;
  [[noreturn]] void refuse(const EndpointArgument& argument, std::string_view reason) const {
    description_.refuse(argument.column, reason);
  }

 private:
  const EndpointDescription& description_;
  std::vector<std::string_view> names_;
  std::vector<const EndpointArgument*> found_;
};

}  // namespace detail
}  // namespace clearway
