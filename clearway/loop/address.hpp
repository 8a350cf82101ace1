#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <sys/un.h>

namespace clearway {

// Where a socket is: an IPv4 or IPv6 address with a port, or the path of a Unix socket. A value.
class Address {
 public:
  Address() noexcept = default;

  // `text` is an IPv4 or IPv6 literal without brackets ("127.0.0.1", "::1", "fe80::1%eth0");
  // nullopt for anything else. Names are resolved by net, not here.
  static std::optional<Address> ip(std::string_view text, std::uint16_t port);
  static Address any(std::uint16_t port);       // 0.0.0.0
  static Address loopback(std::uint16_t port);  // 127.0.0.1
  // A path of at most 107 bytes; one that starts with '@' is in Linux's abstract namespace. Throws
  // UsageError when it is empty or too long.
  static Address unix_path(std::string_view path);
  static Address from_system(const sockaddr* address, socklen_t length);

  [[nodiscard]] int family() const noexcept { return storage_.any.sa_family; }
  [[nodiscard]] bool is_unix() const noexcept { return family() == AF_UNIX; }
  // 0 for Unix sockets.
  [[nodiscard]] std::uint16_t port() const noexcept;
  void set_port(std::uint16_t port) noexcept;
  // The address without its port: "127.0.0.1", "::1", "/run/app.sock".
  [[nodiscard]] std::string host() const;
  // "127.0.0.1:80", "[::1]:80", "unix:/run/app.sock".
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] const sockaddr* data() const noexcept { return &storage_.any; }
  [[nodiscard]] socklen_t size() const noexcept { return size_; }

  friend bool operator==(const Address& left, const Address& right) noexcept;

 private:
  union Storage {
    sockaddr any;
    sockaddr_un un;
    char bytes[sizeof(sockaddr_un)];
  };
  static_assert(sizeof(Storage) >= 28, "holds a sockaddr_in6 too");

  Storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace clearway
