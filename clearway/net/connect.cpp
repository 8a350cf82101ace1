#include <clearway/net/connect.hpp>

#include <fmt/format.h>
#include <clearway/net/connect_attempt.hpp>
#include <clearway/net/error.hpp>
#include <clearway/net/happy_eyeballs.hpp>
#include <clearway/net/known_names.hpp>

namespace clearway {
namespace {

Task<Stream> connect_to_one(std::string name, Address address, Instant deadline,
                            ConnectOptions options) {
  detail::ConnectAttempt result = co_await detail::attempt_connect(address, deadline, options);
  if (result.code == 0) co_return std::move(result.stream);
  std::string reason = detail::connect_failure(result.code, result.allowed);
  const std::string tried = address.to_string();
  if (tried != name) reason = fmt::format("{}: {}", tried, reason);
  throw ConnectError(fmt::format("cannot connect to {}: {}", name, reason), result.code);
}

}  // namespace

Task<Stream> connect(std::string host, std::uint16_t port, ConnectOptions options) {
  const Instant deadline = after(Loop::current().now(), options.timeout);
  const bool is_v6_literal = host.find(':') != std::string::npos;
  std::string name =
      is_v6_literal ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
  host = detail::ascii_name(host);
  auto known = detail::known_addresses(host, port);
  if (known && known->size() == 1) {
    co_return co_await connect_to_one(std::move(name), known->front(), deadline, options);
  }
  detail::HappyEyeballs contest(std::move(host), port, std::move(name), options, deadline);
  if (known) contest.add(*known);
  co_return co_await contest.connect(!known.has_value());
}

Task<Stream> connect(Address address, ConnectOptions options) {
  const Instant deadline = after(Loop::current().now(), options.timeout);
  co_return co_await connect_to_one(address.to_string(), address, deadline, options);
}

Task<Stream> connect_unix(std::string path, ConnectOptions options) {
  co_return co_await connect(Address::unix_path(path), options);
}

}  // namespace clearway
