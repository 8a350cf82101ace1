#pragma once

// Addresses that need no question to DNS.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <clearway/loop/address.hpp>

namespace clearway::detail {

// `host` as DNS knows it: international names in their ASCII form (IDNA 2008, RFC 5891, with
// the mapping of UTS 46). Throws ResolveError for what cannot be a name.
std::string ascii_name(const std::string& host);

// The addresses of a literal, "localhost", a name of the simulated world or one in /etc/hosts; in
// the order in which they should be tried. nullopt: ask DNS. `host` is in ASCII. In a simulated
// world throws ResolveError for a name that it does not know.
std::optional<std::vector<Address>> known_addresses(const std::string& host, std::uint16_t port);

// What a text like /etc/hosts (hosts(5)) says of `name`; IPv6 addresses first.
std::vector<Address> hosts_entries(std::string_view text, std::string_view name,
                                   std::uint16_t port);

// The kernel would know where to send a packet for it; sends none.
bool has_route(const Address& address) noexcept;

}  // namespace clearway::detail
