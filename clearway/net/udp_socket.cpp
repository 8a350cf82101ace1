#include <clearway/net/udp_socket.hpp>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include <fmt/format.h>
#include <net/if.h>
#include <clearway/base/log.hpp>
#include <clearway/net/connect_attempt.hpp>
#include <clearway/net/resolve.hpp>

namespace clearway {
namespace {

Handle open_socket(int family, UdpOptions options) {
  Driver& driver = Loop::current().driver();
  const Handle handle = driver.open_datagram(family);
  if (handle < 0) {
    throw NetError::from_code(NetPhase::listen, "cannot open a UDP socket", -handle);
  }
  int error = 0;
  const auto set = [&](DatagramOption option, int value) {
    if (error == 0) error = driver.set_datagram_option(handle, option, value);
  };
  if (options.reuse_address) set(DatagramOption::reuse_address, 1);
  if (options.reuse_port) set(DatagramOption::reuse_port, 1);
  if (options.broadcast) set(DatagramOption::broadcast, 1);
  if (!options.multicast_loopback) set(DatagramOption::multicast_loopback, 0);
  if (options.multicast_hops != 1) set(DatagramOption::multicast_hops, options.multicast_hops);
  if (options.receive_buffer > 0) set(DatagramOption::receive_buffer, options.receive_buffer);
  if (family == AF_INET6) set(DatagramOption::only_ipv6, options.only_ipv6 ? 1 : 0);
  if (error == 0) return handle;
  driver.close(handle);
  throw NetError::from_code(NetPhase::listen, "cannot set the options of a UDP socket", -error);
}

std::string_view advice(int code) {
  switch (code) {
    case EADDRINUSE:
      return "; another program receives there, stop it or choose another port";
    case EADDRNOTAVAIL:
      return "; this machine does not have that address";
    case EACCES:
      return "; ports below 1024 need privileges, choose a higher one";
    default:
      return "";
  }
}

std::string_view membership_advice(int code) {
  switch (code) {
    case EADDRINUSE:
      return "; it is a member already";
    case EADDRNOTAVAIL:
      return "; it is no member";
    case ENODEV:
      return "; no interface of this machine leads there: name one";
    default:
      return "";
  }
}

Address group_address(std::string_view group) {
  const auto address = Address::ip(group, 0);
  if (!address) {
    throw UsageError(
        fmt::format("\"{}\" is no multicast group: give its address, \"239.1.2.3\" or "
                    "\"ff02::fb\"",
                    group.substr(0, 200)));
  }
  return *address;
}

}  // namespace

UdpSocket::UdpSocket(Handle handle, int family)
    : loop_(&Loop::current()), handle_(handle), family_(family) {}

UdpSocket::UdpSocket(UdpSocket&& other) noexcept { *this = std::move(other); }

UdpSocket& UdpSocket::operator=(UdpSocket&& other) noexcept {
  if (this == &other) return *this;
  close();
  loop_ = other.loop_;
  handle_ = std::exchange(other.handle_, no_handle);
  family_ = other.family_;
  peer_ = other.peer_;
  return *this;
}

void UdpSocket::close() noexcept {
  if (!is_open()) return;
  const Handle handle = std::exchange(handle_, no_handle);
  if (loop_ != Loop::current_or_null()) {
    log::write(log::Level::error, "net",
               "a UDP socket is destroyed after its loop, or on another thread; it stays open");
    return;
  }
  loop_->driver().close(handle);
}

Address UdpSocket::local() const {
  Address address;
  const int error = is_open() ? loop_->driver().local_address(handle_, address) : -EBADF;
  if (error != 0) {
    throw NetError::from_code(NetPhase::listen, "cannot tell the local address of a UDP socket",
                              -error);
  }
  return address;
}

Task<std::string> UdpSocket::receive(std::size_t most) {
  Datagram datagram = co_await receive_from(most);
  if (datagram.truncated()) {
    throw LimitExceeded(fmt::format(
        "{} sent a datagram of {} bytes, more than the {} that were asked for; the limit is an "
        "argument of receive()",
        datagram.from.to_string(), datagram.size, most));
  }
  co_return std::move(datagram.data);
}

Task<> UdpSocket::send_to(std::string data, std::string host, std::uint16_t port) {
  const std::vector<Address> addresses = co_await resolve(host, port);
  const auto fits = [&](const Address& address) {
    return family_ == AF_INET6 || address.family() == family_;
  };
  const auto target = std::find_if(addresses.begin(), addresses.end(), fits);
  if (target == addresses.end()) {
    throw NetError(NetPhase::write,
                   fmt::format("cannot send to {}: it has no IPv4 address, and the socket is "
                               "IPv4's; one that is bound to \"::\" has both",
                               host),
                   EAFNOSUPPORT);
  }
  co_await send_view_to(data, *target);
}

Task<> UdpSocket::send_many(std::vector<OutgoingDatagram> datagrams) {
  const std::span<const OutgoingDatagram> all = datagrams;
  for (std::size_t sent = 0; sent < all.size();) {
    sent += co_await detail::SendManyOperation(*this, all.subspan(sent));
  }
}

void UdpSocket::change_membership(std::string_view group, const std::string& interface,
                                  bool member) {
  const Address address = group_address(group);
  const char* const verb = member ? "join" : "leave";
  unsigned number = 0;
  if (!interface.empty()) {
    number = ::if_nametoindex(interface.c_str());
    if (number == 0) {
      throw NetError(NetPhase::listen,
                     fmt::format("cannot {} {}: this machine has no interface \"{}\"; `ip link` "
                                 "names them",
                                 verb, group, interface),
                     ENODEV);
    }
  }
  const int error =
      is_open() ? loop_->driver().set_membership(handle_, address, number, member) : -EBADF;
  if (error == 0) return;
  if (error == -EINVAL) {
    throw UsageError(
        fmt::format("{} is no multicast group: those are 224.0.0.0 to "
                    "239.255.255.255, and ff00:: and above",
                    group));
  }
  const NetError plain =
      NetError::from_code(NetPhase::listen, fmt::format("cannot {} {}", verb, group), -error);
  throw NetError(NetPhase::listen, plain.what() + std::string(membership_advice(-error)), -error);
}

void UdpSocket::join(std::string_view group, const std::string& interface) {
  change_membership(group, interface, true);
}

void UdpSocket::leave(std::string_view group, const std::string& interface) {
  change_membership(group, interface, false);
}

UdpSocket bind_udp(Address address, UdpOptions options) {
  UdpSocket socket(open_socket(address.family(), options), address.family());
  const int error = Loop::current().driver().bind_datagram(socket.handle(), address);
  if (error == 0) return socket;
  const NetError plain = NetError::from_code(
      NetPhase::listen, fmt::format("cannot receive datagrams on {}", address.to_string()), -error);
  throw NetError(NetPhase::listen, plain.what() + std::string(advice(-error)), -error);
}

UdpSocket bind_udp(std::string_view host, std::uint16_t port, UdpOptions options) {
  if (host == "*") return bind_udp(Address::any(port), options);
  if (host == "localhost") return bind_udp(Address::loopback(port), options);
  const auto address = Address::ip(host, port);
  if (!address) {
    throw UsageError(fmt::format(
        "cannot receive datagrams on \"{}\": give an address of this machine (\"127.0.0.1\", "
        "\"::1\"), \"localhost\", or \"*\" for all",
        host.substr(0, 200)));
  }
  return bind_udp(*address, options);
}

Task<UdpSocket> connect_udp(Address peer, UdpOptions options) {
  UdpSocket socket(open_socket(peer.family(), options), peer.family());
  const int error = Loop::current().driver().connect_datagram(socket.handle_, peer);
  if (error != 0) {
    throw ConnectError(fmt::format("cannot send datagrams to {}: {}", peer.to_string(),
                                   detail::connect_failure(-error, Duration::zero())),
                       -error);
  }
  socket.peer_ = peer;
  co_return socket;
}

Task<UdpSocket> connect_udp(std::string host, std::uint16_t port, UdpOptions options) {
  const std::vector<Address> addresses = co_await resolve(host, port);
  std::string reasons;
  int code = 0;
  for (const Address& address : addresses) {
    UdpSocket socket(open_socket(address.family(), options), address.family());
    code = -Loop::current().driver().connect_datagram(socket.handle_, address);
    if (code == 0) {
      socket.peer_ = address;
      co_return socket;
    }
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", address.to_string(),
                           detail::connect_failure(code, Duration::zero()));
  }
  throw ConnectError(fmt::format("cannot send datagrams to {}:{}: {}", host, port, reasons), code);
}

}  // namespace clearway
