#include <clearway/net/resolve.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <clearway/net/dns_query.hpp>
#include <clearway/net/error.hpp>

namespace clearway {
namespace {

// RFC 6761, section 6.3: "localhost" and the names below it are this machine, whatever DNS says.
bool is_localhost(std::string_view name) {
  const auto same = [](char left, char right) { return (left | 0x20) == right; };
  constexpr std::string_view localhost = "localhost";
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.size() < localhost.size()) return false;
  const std::string_view tail = name.substr(name.size() - localhost.size());
  if (!std::equal(tail.begin(), tail.end(), localhost.begin(), same)) return false;
  return name.size() == localhost.size() || name[name.size() - localhost.size() - 1] == '.';
}

// Awaits a query that the awaiting frame owns.
class QueryOperation {
 public:
  QueryOperation(const std::string& host, std::uint16_t port,
                 const ResolveOptions& options) noexcept
      : host_(host), port_(port), options_(options) {}
  detail::DnsQuery operator co_await() const { return {host_, port_, options_}; }

 private:
  const std::string& host_;
  std::uint16_t port_;
  const ResolveOptions& options_;
};

}  // namespace

Task<std::vector<Address>> resolve(std::string host, std::uint16_t port, ResolveOptions options) {
  std::vector<Address> addresses;
  if (host.empty() || host.find('\0') != std::string::npos) {
    throw ResolveError(host, ResolveError::Reason::unknown_host,
                       "cannot resolve a host's name that is empty or holds a zero byte");
  }
  if (const auto literal = Address::ip(host, port)) {
    addresses.push_back(*literal);
    co_return addresses;
  }
  if (auto known = Loop::current().driver().lookup(host)) {
    addresses = std::move(*known);
    for (Address& address : addresses) address.set_port(port);
    if (!addresses.empty()) co_return addresses;
  }
  if (is_localhost(host)) {
    addresses.push_back(Address::loopback(port));
    addresses.push_back(*Address::ip("::1", port));
    co_return addresses;
  }
  if (Loop::current().driver().simulated()) {
    throw ResolveError(
        host, ResolveError::Reason::unknown_host,
        fmt::format("cannot resolve \"{}\": unknown host; a simulated world knows the names that "
                    "SimulatedDriver::add_name() gave it",
                    host));
  }
  co_return co_await QueryOperation(host, port, options);
}

}  // namespace clearway
