#pragma once

// What a load balancer says about a connection before the client's first byte: HAProxy's PROXY
// protocol, versions 1 and 2 (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt).

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <clearway/loop/address.hpp>

namespace clearway {

struct ProxyHeader {
  enum class State { incomplete, complete, invalid };

  ProxyHeader() = default;

  State state = State::incomplete;
  std::size_t size = 0;           // of the header, where it is complete
  std::optional<Address> source;  // the client; none: the connection is the balancer's own
  std::string_view problem;       // where it is invalid
};

// Reads the header at the start of `bytes`. More than most_proxy_header bytes are never needed.
constexpr std::size_t most_proxy_header = 4096;
ProxyHeader parse_proxy_header(std::string_view bytes);

// Whom to believe. A header says who the client is: from anybody but a balancer it is a lie.
class TrustedProxies {
 public:
  // Everybody: for ports that nobody but the balancer reaches.
  TrustedProxies() = default;
  // Addresses and networks, with commas between them: "10.0.0.7,192.168.0.0/16,fd00::/8". Throws
  // UsageError. Connections of Unix sockets are trusted.
  explicit TrustedProxies(std::string_view list);

  [[nodiscard]] bool trusts(const Address& peer) const;

 private:
  struct Network {
    std::string bytes;  // 4 or 16
    unsigned bits = 0;
  };

  std::vector<Network> networks_;
};

}  // namespace clearway
