// Endpoint strings, in the grammar of Twisted's serverFromString: a kind and arguments between
// colons, positional or `name=value`; a backslash before a colon, '=' or backslash keeps it.

#include <charconv>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <clearway/base/error.hpp>
#include <clearway/http/server.hpp>

namespace clearway::http {

namespace {

struct Argument {
  Argument() = default;
  std::size_t column = 0;  // from 1
  std::optional<std::string> name;
  std::string value;
};

class Endpoint {
 public:
  explicit Endpoint(std::string_view text) : text_(text) {
    arguments_.emplace_back();
    arguments_.back().column = 1;
    for (std::size_t at = 0; at < text.size(); ++at) {
      Argument& last = arguments_.back();
      if (text[at] == '\\' && at + 1 < text.size()) {
        last.value += text[++at];
      } else if (text[at] == ':') {
        arguments_.emplace_back();
        arguments_.back().column = at + 2;
      } else if (text[at] == '=' && !last.name) {
        last.name = std::exchange(last.value, {});
      } else {
        last.value += text[at];
      }
    }
  }

  [[noreturn]] void refuse(std::size_t column, std::string_view reason) const {
    throw UsageError(fmt::format("endpoint \"{}\", column {}: {}", text_, column, reason));
  }
  [[nodiscard]] const std::string& kind() const noexcept { return arguments_.front().value; }
  [[nodiscard]] const std::vector<Argument>& arguments() const noexcept { return arguments_; }
  [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }

 private:
  std::string text_;
  std::vector<Argument> arguments_;
};

std::uint16_t port_of(const Endpoint& endpoint, const Argument& argument) {
  std::uint16_t port = 0;
  const std::string& text = argument.value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    endpoint.refuse(argument.column, fmt::format("\"{}\" is not a port, 0 to 65535", text));
  }
  return port;
}

// The values of the arguments that `names` lists, by position or by name, in that order.
std::vector<const Argument*> read_arguments(const Endpoint& endpoint,
                                            const std::vector<std::string_view>& names) {
  std::vector<const Argument*> found(names.size(), nullptr);
  std::size_t position = 0;
  for (std::size_t index = 1; index < endpoint.arguments().size(); ++index) {
    const Argument& argument = endpoint.arguments()[index];
    std::size_t place = position;
    if (argument.name) {
      for (place = 0; place < names.size() && names[place] != *argument.name;) ++place;
      if (place == names.size()) {
        endpoint.refuse(argument.column,
                        fmt::format("{} endpoints have no \"{}\"; they have {}", endpoint.kind(),
                                    *argument.name, fmt::join(names, ", ")));
      }
    } else if (++position > 1) {
      endpoint.refuse(argument.column, "one argument goes without a name; write name=value");
    }
    if (found[place] != nullptr) {
      endpoint.refuse(argument.column, fmt::format("\"{}\" is given twice", names[place]));
    }
    found[place] = &argument;
  }
  if (found[0] == nullptr) {
    endpoint.refuse(endpoint.size() + 1, fmt::format("the {} is missing", names[0]));
  }
  return found;
}

}  // namespace

Listener listen_at(const std::string& text, const ServerOptions& options) {
  const Endpoint endpoint(text);
  const ListenOptions how = {.backlog = options.backlog, .reuse_port = options.reuse_port};
  if (endpoint.arguments().front().name) {
    endpoint.refuse(1, "an endpoint begins with its kind, as in tcp:8080");
  }
  if (endpoint.kind() == "tcp") {
    const auto arguments = read_arguments(endpoint, {"port", "interface"});
    const std::uint16_t port = port_of(endpoint, *arguments[0]);
    if (arguments[1] == nullptr) return listen("*", port, how);
    if (const std::string& host = arguments[1]->value;
        host != "localhost" && !Address::ip(host, port).has_value()) {
      endpoint.refuse(arguments[1]->column,
                      fmt::format("interface \"{}\" is not an address of IPv4 or IPv6 (colons "
                                  "within it are written \"\\:\")",
                                  host));
    }
    return listen(arguments[1]->value, port, how);
  }
  if (endpoint.kind() == "unix") {
    const auto arguments = read_arguments(endpoint, {"address"});
    return listen_unix(arguments[0]->value, how);
  }
  endpoint.refuse(1, fmt::format("\"{}\" is not a kind of endpoint: there are tcp:PORT, "
                                 "tcp:PORT:interface=ADDRESS and unix:PATH",
                                 endpoint.kind()));
}

}  // namespace clearway::http
