// What the drivers of the real world do with datagrams, and with files that are sent.

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <clearway/base/pipe_signal.hpp>
#include <clearway/loop/kernel_driver.hpp>

namespace clearway {
namespace {

struct Option {
  int level;
  int name;
};

// The options that have one name for both families.
Option common_option(DatagramOption option) noexcept {
  switch (option) {
    case DatagramOption::reuse_address:
      return {SOL_SOCKET, SO_REUSEADDR};
    case DatagramOption::reuse_port:
      return {SOL_SOCKET, SO_REUSEPORT};
    case DatagramOption::broadcast:
      return {SOL_SOCKET, SO_BROADCAST};
    case DatagramOption::receive_buffer:
      return {SOL_SOCKET, SO_RCVBUF};
    case DatagramOption::only_ipv6:
      return {IPPROTO_IPV6, IPV6_V6ONLY};
    default:
      return {-1, 0};
  }
}

Option multicast_option(DatagramOption option, int family) noexcept {
  const bool hops = option == DatagramOption::multicast_hops;
  if (family == AF_INET6) {
    return {IPPROTO_IPV6, hops ? IPV6_MULTICAST_HOPS : IPV6_MULTICAST_LOOP};
  }
  return {IPPROTO_IP, hops ? IP_MULTICAST_TTL : IP_MULTICAST_LOOP};
}

int family_of(Handle handle) noexcept {
  int family = AF_UNSPEC;
  socklen_t size = sizeof family;
  ::getsockopt(handle, SOL_SOCKET, SO_DOMAIN, &family, &size);
  return family;
}

ssize_t receive_one(Operation& operation) noexcept {
  sockaddr_storage sender{};
  iovec piece{operation.data, operation.size};
  msghdr message{};
  message.msg_name = &sender;
  message.msg_namelen = sizeof sender;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  // MSG_TRUNC: the result is the whole length, whatever there was room for.
  const ssize_t count = ::recvmsg(operation.handle, &message, MSG_DONTWAIT | MSG_TRUNC);
  if (count >= 0 && operation.address != nullptr) {
    *operation.address =
        Address::from_system(reinterpret_cast<sockaddr*>(&sender), message.msg_namelen);
  }
  return count;
}

ssize_t send_one(const Operation& operation) noexcept {
  msghdr message{};
  if (operation.address != nullptr) {
    message.msg_name = const_cast<sockaddr*>(operation.address->data());
    message.msg_namelen = operation.address->size();
  }
  message.msg_iov = const_cast<iovec*>(operation.vectors);
  message.msg_iovlen = static_cast<std::size_t>(operation.vector_count);
  return ::sendmsg(operation.handle, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// Several datagrams as the kernel has them.
class Batch {
 public:
  explicit Batch(const Operation& operation) noexcept
      : slots_(static_cast<DatagramSlot*>(operation.data)),
        count_(static_cast<unsigned>(std::min(operation.size, most))) {}

  ssize_t receive(int socket) noexcept {
    for (unsigned index = 0; index < count_; ++index) {
      msghdr& header = prepare(index);
      header.msg_name = &senders_[index];
      header.msg_namelen = sizeof senders_[index];
    }
    const int taken = ::recvmmsg(socket, messages_, count_, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    for (int index = 0; index < taken; ++index) {
      slots_[index].size = messages_[index].msg_len;
      slots_[index].address = Address::from_system(reinterpret_cast<sockaddr*>(&senders_[index]),
                                                   messages_[index].msg_hdr.msg_namelen);
    }
    return taken;
  }
  ssize_t send(int socket) noexcept {
    for (unsigned index = 0; index < count_; ++index) {
      msghdr& header = prepare(index);
      if (slots_[index].address.size() == 0) continue;
      header.msg_name = const_cast<sockaddr*>(slots_[index].address.data());
      header.msg_namelen = slots_[index].address.size();
    }
    return ::sendmmsg(socket, messages_, count_, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

 private:
  static constexpr std::size_t most = 32;

  msghdr& prepare(unsigned index) noexcept {
    msghdr& header = messages_[index].msg_hdr;
    header = {};
    header.msg_iov = &slots_[index].piece;
    header.msg_iovlen = 1;
    return header;
  }

  DatagramSlot* slots_;
  unsigned count_;
  mmsghdr messages_[most];
  sockaddr_in6 senders_[most];
};

ssize_t send_part_of_file(const Operation& operation) noexcept {
  const auto& region = *static_cast<const FileRegion*>(operation.data);
  auto offset = static_cast<off_t>(region.offset);
  return without_pipe_signal(
      [&] { return ::sendfile(operation.handle, region.descriptor, &offset, operation.size); });
}

}  // namespace

Handle KernelDriver::open_datagram(int family) {
  const int handle = ::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (handle < 0) return -errno;
  own(handle, Role::datagram, true);
  return handle;
}

int KernelDriver::bind_datagram(Handle handle, Address& address) {
  if (::bind(handle, address.data(), address.size()) != 0) return -errno;
  return local_address(handle, address);
}

int KernelDriver::connect_datagram(Handle handle, const Address& peer) {
  return ::connect(handle, peer.data(), peer.size()) == 0 ? 0 : -errno;
}

int KernelDriver::set_datagram_option(Handle handle, DatagramOption option, int value) {
  Option known = common_option(option);
  if (known.level < 0) known = multicast_option(option, family_of(handle));
  return ::setsockopt(handle, known.level, known.name, &value, sizeof value) == 0 ? 0 : -errno;
}

int KernelDriver::set_membership(Handle handle, const Address& group, unsigned interface,
                                 bool member) {
  group_req request{};
  request.gr_interface = interface;
  std::memcpy(&request.gr_group, group.data(), group.size());
  const int level = group.family() == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
  const int name = member ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP;
  return ::setsockopt(handle, level, name, &request, sizeof request) == 0 ? 0 : -errno;
}

bool KernelDriver::is_direct(Operation::Kind kind) noexcept {
  return kind == Operation::Kind::receive_datagram || kind == Operation::Kind::send_datagram ||
         kind == Operation::Kind::receive_datagrams || kind == Operation::Kind::send_datagrams ||
         kind == Operation::Kind::send_file;
}

bool KernelDriver::transfer(Operation& operation) noexcept {
  for (;;) {
    ssize_t count = 0;
    switch (operation.kind) {
      case Operation::Kind::receive_datagram:
        count = receive_one(operation);
        break;
      case Operation::Kind::send_datagram:
        count = send_one(operation);
        break;
      case Operation::Kind::receive_datagrams:
        count = Batch(operation).receive(operation.handle);
        break;
      case Operation::Kind::send_datagrams:
        count = Batch(operation).send(operation.handle);
        break;
      default:
        count = send_part_of_file(operation);
    }
    if (count < 0 && errno == EINTR) continue;
    operation.result = count < 0 ? -errno : count;
    return operation.result != -EAGAIN;
  }
}

}  // namespace clearway
