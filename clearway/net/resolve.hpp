#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <clearway/loop/address.hpp>
#include <clearway/task/task.hpp>

namespace clearway {

// How long a name may take, and who is asked.
struct ResolveOptions {
  // For the whole answer, however many servers are asked.
  Duration timeout = std::chrono::seconds(10);
  // The DNS server to ask instead of those in /etc/resolv.conf; port 0 means these.
  std::uint16_t server_port = 0;
  std::uint32_t server_ipv4 = 0x7F000001;  // 127.0.0.1, in the host's byte order
};

// The addresses of `host`, in the order in which they should be tried, with `port` set. Literals,
// "localhost" and the names in /etc/hosts at once; others from DNS, IPv4 and IPv6 side by side,
// without blocking, and then from memory for as long as DNS said; in a simulated world from what
// its driver was told. Those who ask for the same name at the same time share the question. Search
// domains are those of /etc/resolv.conf; international names go through IDNA. Throws ResolveError.
// Cancelled: the queries are dropped, unless somebody else waits for them.
Task<std::vector<Address>> resolve(std::string host, std::uint16_t port,
                                   ResolveOptions options = {});

}  // namespace clearway
