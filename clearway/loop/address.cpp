#include <clearway/loop/address.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <fmt/format.h>
#include <clearway/base/error.hpp>

namespace clearway {
namespace {

template <class T>
T copy_out(const void* bytes) noexcept {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

std::optional<std::uint32_t> scope_id(const std::string& name) {
  if (name.empty()) return std::nullopt;
  if (const unsigned index = ::if_nametoindex(name.c_str()); index != 0) return index;
  if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; }) ||
      name.size() > 9) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(std::stoul(name));
}

}  // namespace

Address Address::from_system(const sockaddr* address, socklen_t length) {
  Address result;
  result.size_ = std::min<socklen_t>(length, sizeof result.storage_);
  std::memcpy(result.storage_.bytes, address, result.size_);
  return result;
}

std::optional<Address> Address::ip(std::string_view text, std::uint16_t port) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string whole(text);
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, whole.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return from_system(reinterpret_cast<sockaddr*>(&v4), sizeof v4);
  }
  const std::size_t percent = whole.find('%');
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET6, whole.substr(0, percent).c_str(), &v6.sin6_addr) != 1) {
    return std::nullopt;
  }
  if (percent != std::string::npos) {
    const auto zone = scope_id(whole.substr(percent + 1));
    if (!zone) return std::nullopt;
    v6.sin6_scope_id = *zone;
  }
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  return from_system(reinterpret_cast<sockaddr*>(&v6), sizeof v6);
}

Address Address::any(std::uint16_t port) { return *ip("0.0.0.0", port); }
Address Address::loopback(std::uint16_t port) { return *ip("127.0.0.1", port); }

Address Address::unix_path(std::string_view path) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof un.sun_path) {
    throw UsageError(fmt::format(
        "the path of a Unix socket has 1 to {} bytes, not {}: \"{}\"; use a shorter directory",
        sizeof un.sun_path - 1, path.size(), path.substr(0, 120)));
  }
  std::memcpy(un.sun_path, path.data(), path.size());
  const bool abstract = path.front() == '@';
  if (abstract) un.sun_path[0] = '\0';
  const std::size_t length = offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1);
  return from_system(reinterpret_cast<sockaddr*>(&un), static_cast<socklen_t>(length));
}

std::uint16_t Address::port() const noexcept {
  // The port stands at the same place in both families.
  if (family() != AF_INET && family() != AF_INET6) return 0;
  return ntohs(copy_out<sockaddr_in>(storage_.bytes).sin_port);
}

void Address::set_port(std::uint16_t port) noexcept {
  if (family() != AF_INET && family() != AF_INET6) return;
  const std::uint16_t network_order = htons(port);
  std::memcpy(storage_.bytes + offsetof(sockaddr_in, sin_port), &network_order, 2);
}

std::string Address::host() const {
  char text[INET6_ADDRSTRLEN + 1] = "";
  if (family() == AF_INET) {
    const auto v4 = copy_out<sockaddr_in>(storage_.bytes);
    return ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  }
  if (family() == AF_INET6) {
    const auto v6 = copy_out<sockaddr_in6>(storage_.bytes);
    std::string result = ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    if (v6.sin6_scope_id != 0) result += fmt::format("%{}", v6.sin6_scope_id);
    return result;
  }
  if (family() != AF_UNIX || size_ <= offsetof(sockaddr_un, sun_path)) return "";
  const std::size_t length = size_ - offsetof(sockaddr_un, sun_path);
  std::string path(storage_.un.sun_path, length);
  if (path.front() == '\0') {
    path.front() = '@';
  } else {
    path.resize(::strnlen(path.data(), path.size()));
  }
  return path;
}

std::string Address::to_string() const {
  switch (family()) {
    case AF_INET:
      return fmt::format("{}:{}", host(), port());
    case AF_INET6:
      return fmt::format("[{}]:{}", host(), port());
    case AF_UNIX:
      return fmt::format("unix:{}", host());
    default:
      return "(no address)";
  }
}

bool operator==(const Address& left, const Address& right) noexcept {
  return left.size_ == right.size_ &&
         std::memcmp(left.storage_.bytes, right.storage_.bytes, left.size_) == 0;
}

}  // namespace clearway
