// Endpoint strings, in the grammar of Twisted's serverFromString: a kind and arguments between
// colons, positional or `name=value`; a backslash before a colon, '=' or backslash keeps it.

#include <charconv>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <clearway/base/error.hpp>
#include <clearway/http/endpoint.hpp>
#include <clearway/http/server.hpp>
#include <clearway/tls/error.hpp>

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

Listener listen_on(const Endpoint& endpoint, const Argument& port, const Argument* interface,
                   const ListenOptions& how) {
  const std::uint16_t number = port_of(endpoint, port);
  if (interface == nullptr) return listen("*", number, how);
  const std::string& host = interface->value;
  if (host != "localhost" && !Address::ip(host, number).has_value()) {
    endpoint.refuse(interface->column,
                    fmt::format("interface \"{}\" is not an address of IPv4 or IPv6 (colons "
                                "within it are written \"\\:\")",
                                host));
  }
  return listen(host, number, how);
}

TlsServerContext context_of(const Endpoint& endpoint, const Argument* key,
                            const Argument* certificate, const Argument* client_authority) {
  if (key == nullptr) {
    endpoint.refuse(endpoint.size() + 1,
                    "the private key is missing: write privateKey=FILE, and certKey=FILE for the "
                    "certificate");
  }
  const Argument& chain = certificate != nullptr ? *certificate : *key;
  TlsServerOptions options;
  options.identity = TlsIdentity(chain.value, key->value);
  options.alpn.emplace_back("http/1.1");
  if (client_authority != nullptr) {
    options.client_certificates = ClientCertificates::required;
    options.client_roots.file = client_authority->value;
  }
  try {
    return TlsServerContext(options);
  } catch (const TlsError& error) {
    const std::string_view reason = error.what();
    const auto is_about = [&](const Argument* argument, std::string_view what) {
      return argument != nullptr && reason.find(what) != std::string_view::npos &&
             reason.find(argument->value) != std::string_view::npos;
    };
    std::size_t column = chain.column;
    if (is_about(key, "private key")) column = key->column;
    if (is_about(client_authority, "root certificates")) column = client_authority->column;
    endpoint.refuse(column, reason);
  }
}

}  // namespace

detail::Place detail::open_place(const std::string& text, const ServerOptions& options) {
  const Endpoint endpoint(text);
  const ListenOptions how = {.backlog = options.backlog, .reuse_port = options.reuse_port};
  if (endpoint.arguments().front().name) {
    endpoint.refuse(1, "an endpoint begins with its kind, as in tcp:8080");
  }
  if (endpoint.kind() == "tcp") {
    const auto arguments = read_arguments(endpoint, {"port", "interface"});
    return detail::Place(listen_on(endpoint, *arguments[0], arguments[1], how));
  }
  if (endpoint.kind() == "ssl") {
    const auto arguments =
        read_arguments(endpoint, {"port", "privateKey", "certKey", "interface", "clientCA"});
    const TlsServerContext tls = context_of(endpoint, arguments[1], arguments[2], arguments[4]);
    detail::Place place(listen_on(endpoint, *arguments[0], arguments[3], how));
    place.tls = tls;
    return place;
  }
  if (endpoint.kind() == "unix") {
    const auto arguments = read_arguments(endpoint, {"address"});
    return detail::Place(listen_unix(arguments[0]->value, how));
  }
  endpoint.refuse(1, fmt::format("\"{}\" is not a kind of endpoint: there are tcp:PORT, "
                                 "tcp:PORT:interface=ADDRESS, unix:PATH and "
                                 "ssl:PORT:privateKey=FILE:certKey=FILE",
                                 endpoint.kind()));
}

Listener listen_at(const std::string& text, const ServerOptions& options) {
  if (text.starts_with("ssl:")) {
    throw UsageError(
        fmt::format("endpoint \"{}\", column 1: a listener alone cannot speak TLS; give the "
                    "endpoint to serve() or to a Server",
                    text));
  }
  return detail::open_place(text, options).listener;
}

}  // namespace clearway::http
