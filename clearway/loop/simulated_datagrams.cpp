// Datagrams of the simulated world: lost, doubled and overtaken as the seed decides.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <clearway/loop/simulated_table.hpp>

namespace clearway {
namespace {

constexpr std::size_t longest_datagram = 65'507;

bool is_wildcard(const Address& address) {
  const std::string host = address.host();
  return host == "0.0.0.0" || host == "::";
}

bool is_broadcast(const Address& address) { return address.host() == "255.255.255.255"; }

// 224.0.0.0/4 and ff00::/8.
bool is_multicast(const Address& address) {
  if (address.family() == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address.data(), sizeof v6);
    return v6.sin6_addr.s6_addr[0] == 0xFF;
  }
  sockaddr_in v4{};
  std::memcpy(&v4, address.data(), std::min<std::size_t>(sizeof v4, address.size()));
  return address.family() == AF_INET && (ntohl(v4.sin_addr.s_addr) >> 28) == 0xE;
}

Address any_of(int family, std::uint16_t port) {
  return *Address::ip(family == AF_INET6 ? "::" : "0.0.0.0", port);
}

bool same_host(const Address& left, const Address& right) { return left.host() == right.host(); }

}  // namespace

Handle SimulatedDriver::open_datagram(int family) {
  auto socket = std::make_unique<Socket>();
  socket->datagram = true;
  socket->family = family;
  socket->local = any_of(family, 0);
  return add(std::move(socket));
}

int SimulatedDriver::bind_datagram(Handle handle, Address& address) {
  Socket* socket = find(handle);
  if (socket == nullptr) return -EBADF;
  if (socket->local.port() != 0) return -EINVAL;
  if (address.family() != socket->family) return -EAFNOSUPPORT;
  if (address.port() == 0) address.set_port(next_port_++);
  for (const auto& [number, other] : sockets_) {
    const bool same_port = other->datagram && other->local.port() == address.port();
    const bool overlaps =
        is_wildcard(other->local) || is_wildcard(address) || same_host(other->local, address);
    if (same_port && overlaps && !(other->reuse && socket->reuse)) return -EADDRINUSE;
  }
  socket->local = address;
  return 0;
}

int SimulatedDriver::connect_datagram(Handle handle, const Address& peer) {
  Socket* socket = find(handle);
  if (socket == nullptr) return -EBADF;
  if (peer.family() != socket->family) return -EAFNOSUPPORT;
  if (socket->local.port() == 0) socket->local = any_of(socket->family, next_port_++);
  socket->remote = peer;
  socket->connected = true;
  return 0;
}

int SimulatedDriver::set_datagram_option(Handle handle, DatagramOption option, int value) {
  Socket* socket = find(handle);
  if (socket == nullptr) return -EBADF;
  if (option == DatagramOption::reuse_address || option == DatagramOption::reuse_port) {
    socket->reuse = value != 0;
  }
  if (option == DatagramOption::broadcast) socket->broadcast = value != 0;
  return 0;
}

int SimulatedDriver::set_membership(Handle handle, const Address& group, unsigned interface,
                                    bool member) {
  (void)interface;
  Socket* socket = find(handle);
  if (socket == nullptr) return -EBADF;
  if (!is_multicast(group)) return -EINVAL;
  const auto known = std::find_if(socket->groups.begin(), socket->groups.end(),
                                  [&](const Address& other) { return same_host(other, group); });
  if (member == (known != socket->groups.end())) return member ? -EADDRINUSE : -EADDRNOTAVAIL;
  if (member) {
    socket->groups.push_back(group);
  } else {
    socket->groups.erase(known);
  }
  return 0;
}

bool SimulatedDriver::attempt_receive_datagram(Operation& operation, Socket& socket) {
  if (socket.error != 0) {
    operation.result = -std::exchange(socket.error, 0);
    return true;
  }
  if (socket.messages.empty()) return false;
  const Message message = std::move(socket.messages.front());
  socket.messages.pop_front();
  const std::size_t count = std::min(operation.size, message.bytes.size());
  if (count > 0) std::memcpy(operation.data, message.bytes.data(), count);
  if (operation.address != nullptr) *operation.address = message.from;
  operation.result = static_cast<std::int64_t>(message.bytes.size());
  return true;
}

void SimulatedDriver::send_datagram(Operation& operation, Socket& socket) {
  std::string bytes;
  for (int index = 0; index < operation.vector_count; ++index) {
    bytes.append(static_cast<const char*>(operation.vectors[index].iov_base),
                 operation.vectors[index].iov_len);
  }
  operation.result = dispatch_datagram(socket, operation.address, std::move(bytes));
}

// Gives the datagram's length, or why it cannot be sent.
std::int64_t SimulatedDriver::dispatch_datagram(Socket& socket, const Address* to,
                                                std::string bytes) {
  const Address target = to != nullptr ? *to : socket.remote;
  if (socket.error != 0) return -std::exchange(socket.error, 0);
  if (to == nullptr && !socket.connected) return -EDESTADDRREQ;
  if (target.family() != socket.family) return -EAFNOSUPPORT;
  if (bytes.size() > longest_datagram) return -EMSGSIZE;
  if (is_broadcast(target) && !socket.broadcast) return -EACCES;
  if (socket.local.port() == 0) socket.local = any_of(socket.family, next_port_++);
  Address from = socket.local;
  if (is_wildcard(from)) {
    from = *Address::ip(socket.family == AF_INET6 ? "::1" : "127.0.0.1", from.port());
  }
  int copies = chance(options_.datagram_duplicates) ? 2 : 1;
  if (chance(options_.datagram_loss)) copies = 0;
  for (; copies > 0; --copies) {
    at(now_ + latency(), [this, sender = socket.handle, from, target, bytes] {
      arrive_datagram(sender, from, target, bytes);
    });
  }
  return static_cast<std::int64_t>(bytes.size());
}

bool SimulatedDriver::attempt_receive_datagrams(Operation& operation, Socket& socket) {
  auto* const slots = static_cast<DatagramSlot*>(operation.data);
  const std::size_t most = chance(options_.short_transfers) ? 1 : operation.size;
  if (socket.error != 0) {
    operation.result = -std::exchange(socket.error, 0);
    return true;
  }
  std::size_t count = 0;
  for (; count < most && !socket.messages.empty(); ++count) {
    const Message message = std::move(socket.messages.front());
    socket.messages.pop_front();
    DatagramSlot& slot = slots[count];
    const std::size_t size = std::min(slot.piece.iov_len, message.bytes.size());
    if (size > 0) std::memcpy(slot.piece.iov_base, message.bytes.data(), size);
    slot.address = message.from;
    slot.size = message.bytes.size();
  }
  operation.result = static_cast<std::int64_t>(count);
  return count > 0;
}

void SimulatedDriver::send_datagrams(Operation& operation, Socket& socket) {
  const auto* const slots = static_cast<const DatagramSlot*>(operation.data);
  const std::size_t most = chance(options_.short_transfers) ? 1 : operation.size;
  operation.result = 0;
  for (std::size_t index = 0; index < most; ++index) {
    const DatagramSlot& slot = slots[index];
    std::string bytes(static_cast<const char*>(slot.piece.iov_base), slot.piece.iov_len);
    const Address* const to = slot.address.size() == 0 ? nullptr : &slot.address;
    const std::int64_t sent = dispatch_datagram(socket, to, std::move(bytes));
    if (sent < 0) {
      if (index == 0) operation.result = sent;
      return;
    }
    ++operation.result;
  }
}

bool SimulatedDriver::takes_datagram(const Socket& socket, const Address& from,
                                     const Address& target) const {
  if (!socket.datagram || socket.local.port() != target.port()) return false;
  if (socket.family != target.family()) return false;
  if (socket.connected && !(socket.remote == from)) return false;
  if (is_broadcast(target)) return true;
  if (is_multicast(target)) {
    return std::any_of(socket.groups.begin(), socket.groups.end(),
                       [&](const Address& group) { return same_host(group, target); });
  }
  return is_wildcard(socket.local) || same_host(socket.local, target);
}

void SimulatedDriver::arrive_datagram(Handle sender, const Address& from, const Address& target,
                                      const std::string& bytes) {
  if (silent_.contains(target.host())) return;
  const bool to_many = is_broadcast(target) || is_multicast(target);
  std::vector<Handle> takers;
  for (const auto& [handle, socket] : sockets_) {
    if (takes_datagram(*socket, from, target) && (to_many || takers.empty())) {
      takers.push_back(handle);
    }
  }
  for (const Handle handle : takers) {
    Socket* const socket = find(handle);
    if (socket == nullptr) continue;  // whoever took the one before has closed it
    std::size_t kept = bytes.size();
    for (const Message& message : socket->messages) kept += message.bytes.size();
    if (kept > options_.buffer_capacity) continue;
    socket->messages.emplace_back(from, bytes);
    progress(*socket);
  }
  if (!takers.empty() || to_many) return;
  // "Port unreachable" comes back; only a socket that is connected hears of it.
  at(now_ + latency(), [this, sender, target] {
    Socket* const socket = find(sender);
    if (socket == nullptr || !socket->connected || !(socket->remote == target)) return;
    socket->error = ECONNREFUSED;
    progress(*socket);
  });
}

}  // namespace clearway
