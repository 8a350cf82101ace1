#include <clearway/endpoint/proxy_header.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <netinet/in.h>
#include <clearway/base/error.hpp>

namespace clearway {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view signature = "\r\n\r\n\0\r\nQUIT\n"sv;  // of version 2
constexpr std::string_view first_word = "PROXY ";                 // of version 1
constexpr std::size_t longest_line = 107;                         // with its end

ProxyHeader invalid(std::string_view problem) {
  ProxyHeader header;
  header.state = ProxyHeader::State::invalid;
  header.problem = problem;
  return header;
}

ProxyHeader complete(std::size_t size, std::optional<Address> source = std::nullopt) {
  ProxyHeader header;
  header.state = ProxyHeader::State::complete;
  header.size = size;
  header.source = source;
  return header;
}

std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > 1 && text[0] == '0') return std::nullopt;
  return port;
}

std::optional<Address> address_of(std::string_view text, std::string_view port, int family) {
  const auto number = port_of(port);
  if (!number) return std::nullopt;
  auto address = Address::ip(text, *number);
  if (address && address->family() != family) return std::nullopt;
  return address;
}

ProxyHeader parse_text(std::string_view bytes) {
  const std::size_t end = bytes.substr(0, longest_line).find("\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() >= longest_line) return invalid("its line does not end");
    return {};
  }
  std::string_view line = bytes.substr(first_word.size(), end - first_word.size());
  const std::string_view protocol = take_word(line);
  if (protocol == "UNKNOWN") return complete(end + 2);
  if (protocol != "TCP4" && protocol != "TCP6") return invalid("its protocol is unknown");
  const int family = protocol == "TCP4" ? AF_INET : AF_INET6;
  const std::string_view source = take_word(line);
  const std::string_view destination = take_word(line);
  const std::string_view source_port = take_word(line);
  const auto from = address_of(source, source_port, family);
  const auto to = address_of(destination, line, family);
  if (!from || !to) return invalid("its addresses are none");
  return complete(end + 2, from);
}

Address ip_address(int family, const char* bytes, const char* port) {
  if (family == AF_INET) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    std::memcpy(&address.sin_addr, bytes, sizeof address.sin_addr);
    std::memcpy(&address.sin_port, port, sizeof address.sin_port);
    return Address::from_system(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  std::memcpy(&address.sin6_addr, bytes, sizeof address.sin6_addr);
  std::memcpy(&address.sin6_port, port, sizeof address.sin6_port);
  return Address::from_system(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

ProxyHeader parse_binary(std::string_view bytes) {
  constexpr std::size_t prefix = 16;
  if (bytes.size() < prefix) return {};
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  if (byte(12) >> 4 != 2) return invalid("its version is unknown");
  const unsigned command = byte(12) & 15U;
  if (command > 1) return invalid("its command is unknown");
  const unsigned family = byte(13) >> 4;
  const unsigned transport = byte(13) & 15U;
  if (family > 3 || transport > 2) return invalid("its protocol is unknown");
  const std::size_t length = byte(14) * 256U + byte(15);
  if (prefix + length > most_proxy_header) return invalid("it is too long");
  constexpr std::array<std::size_t, 4> least = {0, 12, 36, 216};
  const bool speaks_of_client = command == 1;
  if (speaks_of_client && length < least[family]) return invalid("it is too short");
  if (bytes.size() < prefix + length) return {};
  const char* const body = bytes.data() + prefix;
  if (speaks_of_client && family == 1) {
    return complete(prefix + length, ip_address(AF_INET, body, body + 8));
  }
  if (speaks_of_client && family == 2) {
    return complete(prefix + length, ip_address(AF_INET6, body, body + 32));
  }
  return complete(prefix + length);
}

bool begins(std::string_view bytes, std::string_view with) {
  const std::size_t size = std::min(bytes.size(), with.size());
  return bytes.substr(0, size) == with.substr(0, size);
}

std::string bytes_of(const Address& address) {
  if (address.family() == AF_INET) {
    const auto& system = *reinterpret_cast<const sockaddr_in*>(address.data());
    return {reinterpret_cast<const char*>(&system.sin_addr), sizeof system.sin_addr};
  }
  const auto& system = *reinterpret_cast<const sockaddr_in6*>(address.data());
  const std::string_view bytes(reinterpret_cast<const char*>(&system.sin6_addr), 16);
  constexpr std::string_view mapped = "\0\0\0\0\0\0\0\0\0\0\xff\xff"sv;  // RFC 4291 section 2.5.5.2
  return std::string(bytes.starts_with(mapped) ? bytes.substr(mapped.size()) : bytes);
}

bool same_bits(std::string_view left, std::string_view right, unsigned bits) {
  for (unsigned at = 0; at < bits; ++at) {
    const auto bit = [&](std::string_view bytes) {
      return static_cast<unsigned char>(bytes[at / 8]) >> (7 - at % 8) & 1U;
    };
    if (bit(left) != bit(right)) return false;
  }
  return true;
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view bytes) {
  if (bytes.empty()) return {};
  if (begins(bytes, signature)) {
    return bytes.size() < signature.size() ? ProxyHeader() : parse_binary(bytes);
  }
  if (begins(bytes, first_word)) {
    return bytes.size() < first_word.size() ? ProxyHeader() : parse_text(bytes);
  }
  return invalid("there is none");
}

TrustedProxies::TrustedProxies(std::string_view list) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    const std::string_view item = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    const std::size_t slash = std::min(item.find('/'), item.size());
    const auto address = Address::ip(item.substr(0, slash), 0);
    Network network;
    if (address) network.bytes = bytes_of(*address);
    network.bits = static_cast<unsigned>(network.bytes.size() * 8);
    bool good = address.has_value();
    if (good && slash < item.size()) {
      const std::string_view text = item.substr(slash + 1);
      const unsigned most = network.bits;
      const auto [last, error] =
          std::from_chars(text.data(), text.data() + text.size(), network.bits);
      good = error == std::errc() && last == text.data() + text.size() && network.bits <= most;
    }
    if (!good) {
      throw UsageError(fmt::format(
          "\"{}\" is no address or network of proxies, as 10.0.0.7 and 10.0.0.0/8 are", item));
    }
    networks_.push_back(std::move(network));
  }
}

bool TrustedProxies::trusts(const Address& peer) const {
  if (networks_.empty() || peer.is_unix()) return true;
  const std::string bytes = bytes_of(peer);
  return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    return network.bytes.size() == bytes.size() && same_bits(bytes, network.bytes, network.bits);
  });
}

}  // namespace clearway
