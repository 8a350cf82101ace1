#include <clearway/endpoint/description.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <clearway/base/error.hpp>

namespace clearway {

std::string quote_endpoint(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '\\' || c == ':' || c == '=') quoted += '\\';
    quoted += c;
  }
  return quoted;
}

namespace detail {

EndpointDescription::EndpointDescription(std::string text) : text_(std::move(text)) {
  std::vector<EndpointArgument> fields(1);
  fields.back().column = 1;
  for (std::size_t at = 0; at < text_.size(); ++at) {
    EndpointArgument& last = fields.back();
    if (text_[at] == '\\') {
      if (at + 1 == text_.size()) {
        refuse(at + 1, "a backslash stands for the character after it, and there is none");
      }
      last.value += text_[++at];
    } else if (text_[at] == ':') {
      fields.emplace_back();
      fields.back().column = at + 2;
    } else if (text_[at] == '=' && !last.name) {
      last.name = std::exchange(last.value, {});
    } else {
      last.value += text_[at];
    }
  }
  take_kind(std::move(fields.front()));
  arguments_.assign(std::make_move_iterator(fields.begin() + 1),
                    std::make_move_iterator(fields.end()));
}

void EndpointDescription::take_kind(EndpointArgument first) {
  if (first.name) {
    refuse(first.column, "an endpoint begins with its kind, as in tcp:8080");
  }
  kind_ = std::move(first.value);
  std::transform(kind_.begin(), kind_.end(), kind_.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
}

EndpointDescription EndpointDescription::inner(std::size_t count) const {
  if (arguments_.size() <= count) refuse(end(), "the endpoint within it is missing");
  EndpointDescription description;
  description.text_ = text_;
  const auto first = arguments_.begin() + static_cast<std::ptrdiff_t>(count);
  description.take_kind(*first);
  description.arguments_.assign(first + 1, arguments_.end());
  return description;
}

void EndpointDescription::refuse(std::size_t column, std::string_view reason) const {
  throw UsageError(fmt::format("endpoint \"{}\", column {}: {}", text_, column, reason));
}

EndpointArguments::EndpointArguments(const EndpointDescription& description,
                                     std::initializer_list<std::string_view> names)
    : description_(description), names_(names), found_(names.size(), nullptr) {
  std::size_t position = 0;
  for (const EndpointArgument& argument : description.arguments()) {
    std::size_t place = position;
    if (argument.name) {
      place = static_cast<std::size_t>(std::find(names_.begin(), names_.end(), *argument.name) -
                                       names_.begin());
      if (place == names_.size()) {
        refuse(argument, fmt::format("{} endpoints have no \"{}\"; they have {}",
                                     description.kind(), *argument.name, fmt::join(names_, ", ")));
      }
    } else if (position++ == names_.size()) {
      refuse(argument,
             fmt::format("one argument too many; {} endpoints have {}", description.kind(),
                         names_.empty() ? "none" : fmt::format("{}", fmt::join(names_, ", "))));
    }
    if (found_[place] != nullptr) {
      refuse(argument, fmt::format("\"{}\" is given twice", names_[place]));
    }
    found_[place] = &argument;
  }
}

const EndpointArgument* EndpointArguments::find(std::string_view name) const noexcept {
  const auto place = std::find(names_.begin(), names_.end(), name) - names_.begin();
  return found_[static_cast<std::size_t>(place)];
}

const EndpointArgument& EndpointArguments::require(std::string_view name,
                                                   std::string_view advice) const {
  const EndpointArgument* argument = find(name);
  if (argument != nullptr && !argument->value.empty()) return *argument;
  description_.refuse(argument != nullptr ? argument->column : description_.end(),
                      fmt::format("the {} is missing: write {}", name, advice));
}

const EndpointArgument* EndpointArguments::find_file(std::string_view name) const {
  const EndpointArgument* argument = find(name);
  if (argument != nullptr && argument->value.empty()) {
    refuse(*argument, fmt::format("{} is empty: leave it out, or name a file", name));
  }
  return argument;
}

std::string EndpointArguments::text_or(std::string_view name, std::string_view otherwise) const {
  const EndpointArgument* argument = find(name);
  return argument != nullptr ? argument->value : std::string(otherwise);
}

std::uint64_t EndpointArguments::number(const EndpointArgument& argument, std::uint64_t least,
                                        std::uint64_t most, std::string_view what, int base) const {
  std::uint64_t value = 0;
  const std::string& text = argument.value;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value, base);
  if (text.empty() || error != std::errc() || end != last || value < least || value > most) {
    refuse(argument, fmt::format("\"{}\" is not {}", text, what));
  }
  return value;
}

std::uint16_t EndpointArguments::port(const EndpointArgument& argument) const {
  return static_cast<std::uint16_t>(number(argument, 0, 65'535, "a port, 0 to 65535"));
}

Address EndpointArguments::address(const EndpointArgument& argument, std::uint16_t port) const {
  if (argument.value == "localhost") return Address::loopback(port);
  if (const auto address = Address::ip(argument.value, port)) return *address;
  refuse(argument, fmt::format("{} \"{}\" is not an address of IPv4 or IPv6 (colons within it "
                               "are written \"\\:\")",
                               argument.name.value_or("interface"), argument.value));
}

Duration EndpointArguments::seconds(const EndpointArgument& argument) const {
  double value = 0;
  const std::string& text = argument.value;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  constexpr double most = 1e9;
  if (text.empty() || error != std::errc() || end != last || !(value > 0) || value > most) {
    refuse(argument, fmt::format("\"{}\" is not a number of seconds", text));
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value));
}

}  // namespace detail
}  // namespace clearway
