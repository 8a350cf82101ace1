#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <clearway/net/resolve.hpp>
#include <clearway/net/stream.hpp>

namespace clearway {

// How long connecting may take, and what the connection is set to.
struct ConnectOptions {
  // For the name and all of its addresses together.
  Duration timeout = std::chrono::seconds(30);
  // Sends small writes at once instead of collecting them (TCP_NODELAY).
  bool no_delay = true;
  // When an address has not answered for so long, the next one is tried beside it (RFC 8305).
  Duration attempt_delay = std::chrono::milliseconds(250);
  // The address to come from; its port may be 0. Only addresses of the same family can be reached
  // from it. Simulated worlds take no notice of it.
  std::optional<Address> local = std::nullopt;
  // How the name is looked up; within the timeout above.
  ResolveOptions names = {};
};

// Connects to `host`, which is a name or an IPv4 or IPv6 literal. Its addresses are tried side by
// side, a little apart, IPv6 and IPv4 in turn (Happy Eyeballs, RFC 8305), and the first that
// answers wins. ResolveError when the name has none, ConnectError with the reason of each when none
// of them answers. Cancelled: nothing is left behind.
Task<Stream> connect(std::string host, std::uint16_t port, ConnectOptions options = {});

// Connects to one address, of TCP or of a Unix socket.
Task<Stream> connect(Address address, ConnectOptions options = {});

// Connects to the Unix socket at `path`; '@' at its start means Linux's abstract namespace.
Task<Stream> connect_unix(std::string path, ConnectOptions options = {});

}  // namespace clearway
