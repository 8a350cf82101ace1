#pragma once

// Datagrams over UDP: messages of up to 65,507 bytes, each whole or not at all. They may be lost,
// come twice, or in another order; whoever needs more uses a Stream.
//
//   UdpSocket socket = bind_udp("127.0.0.1", 5353);
//   for (;;) {
//     Datagram question = co_await socket.receive_from();
//     co_await socket.send_to("pong", question.from);
//   }
//
// Several tasks may send and receive at once; each datagram goes to one of them. A socket owns no
// memory while it waits. Cancelled receives take nothing: what has arrived stays for the next one.
// A cancelled send has sent nothing.
//
// Errors are NetError with phase read or write. Of those of the network only a connected socket
// hears: ECONNREFUSED when an earlier datagram came back since nobody receives there.

#include <coroutine>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <clearway/loop/address.hpp>
#include <clearway/net/datagram_operations.hpp>
#include <clearway/task/task.hpp>

namespace clearway {

// What a UDP socket is set to.
struct UdpOptions {
  // Several sockets of this machine may have the same port: for multicast.
  bool reuse_address = false;
  // The same for the loops of one program: the kernel deals the senders out between them.
  bool reuse_port = false;
  // May send to broadcast addresses, as 255.255.255.255.
  bool broadcast = false;
  // What it sends to a group comes to the members on this machine too.
  bool multicast_loopback = true;
  // How far what it sends to a group goes: 1 is the local network, each router more takes one.
  int multicast_hops = 1;
  // Bytes that the kernel keeps for it; what comes beyond them is lost. 0: the system's default.
  int receive_buffer = 0;
  // A socket on "::" takes no IPv4.
  bool only_ipv6 = false;
};

class UdpSocket {
 public:
  // A socket that is closed.
  UdpSocket() noexcept = default;
  // Takes over a handle of the running loop's driver.
  UdpSocket(Handle handle, int family);
  // No operation may be under way on either socket.
  UdpSocket(UdpSocket&& other) noexcept;
  UdpSocket& operator=(UdpSocket&& other) noexcept;
  ~UdpSocket() { close(); }

  // The next datagram and its sender. `most` bytes of it are kept: truncated() says that there were
  // more, and size how many. An empty datagram is one too.
  [[nodiscard]] detail::ReceiveDatagramOperation receive_from(
      std::size_t most = Datagram::longest) noexcept {
    return {*this, most};
  }
  // The same into the caller's memory, which must live until it has been awaited.
  [[nodiscard]] detail::ReceiveIntoOperation receive_into(std::span<char> into) noexcept {
    return {*this, into};
  }
  // For connected sockets: the next datagram's bytes; LimitExceeded, and the datagram is lost, when
  // there are more than `most`.
  [[nodiscard]] Task<std::string> receive(std::size_t most = Datagram::longest);

  // All that have come, at least one and at most 32, with one system call: for those who get many.
  // 2,048 bytes of each are kept.
  [[nodiscard]] detail::ReceiveManyOperation receive_many() noexcept {
    return detail::ReceiveManyOperation(*this);
  }

  // Sends one datagram. It has been taken by the kernel then, and nothing more is known of it.
  [[nodiscard]] detail::SendDatagramOperation send_to(std::string data, Address target) noexcept {
    return {*this, std::move(data), target};
  }
  // The same to a host, whose name is looked up as resolve() does. ResolveError.
  [[nodiscard]] Task<> send_to(std::string data, std::string host, std::uint16_t port);
  // For connected sockets.
  [[nodiscard]] detail::SendDatagramOperation send(std::string data) noexcept {
    return {*this, std::move(data)};
  }
  // The same two from memory that must live until they have been awaited.
  [[nodiscard]] detail::SendViewOperation send_view_to(std::string_view data,
                                                       Address target) noexcept {
    return {*this, data, target};
  }
  [[nodiscard]] detail::SendViewOperation send_view(std::string_view data) noexcept {
    return {*this, data};
  }

  // Sends all, with one system call for 32 of them. When it fails, or is cancelled, those before
  // have been sent. What `datagrams` refers to must live until it has been awaited.
  [[nodiscard]] Task<> send_many(std::vector<OutgoingDatagram> datagrams);

  // Receives what is sent to the multicast group ("239.1.2.3", "ff02::fb") from now on, until
  // leave() or close(). `interface` is the name of one ("eth0"); empty: the system chooses. The
  // socket is bound to the group's port. Throws NetError, UsageError when `group` is none.
  void join(std::string_view group, const std::string& interface = "");
  void leave(std::string_view group, const std::string& interface = "");

  // Closes at once; does nothing when closed. No operation may be under way.
  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return handle_ != no_handle; }
  // Where it receives; the port is the real one when 0 was asked for. Throws NetError when closed.
  [[nodiscard]] Address local() const;
  // To whom it is connected; empty when it is not.
  [[nodiscard]] const Address& peer() const noexcept { return peer_; }
  [[nodiscard]] Handle handle() const noexcept { return handle_; }

 private:
  friend class detail::DatagramAwaiter;
  friend Task<UdpSocket> connect_udp(std::string host, std::uint16_t port, UdpOptions options);
  friend Task<UdpSocket> connect_udp(Address peer, UdpOptions options);

  void change_membership(std::string_view group, const std::string& interface, bool member);

  Loop* loop_ = nullptr;
  Handle handle_ = no_handle;
  int family_ = 0;
  Address peer_;
};

// Receives on `host`, an IPv4 or IPv6 literal, "localhost" (127.0.0.1), or "*" (all IPv4
// addresses); "::" takes both families, and IPv4 senders have their IPv4 addresses there. Port 0
// picks one. NetError when that is not possible, UsageError when `host` is something else.
UdpSocket bind_udp(std::string_view host, std::uint16_t port, UdpOptions options = {});
UdpSocket bind_udp(Address address, UdpOptions options = {});

// A socket that sends to, and receives from, one peer only, and hears when nobody receives there.
// `host` is a name or a literal; of its addresses the first is taken to which there is a route.
// Nothing is sent. ResolveError, ConnectError.
Task<UdpSocket> connect_udp(std::string host, std::uint16_t port, UdpOptions options = {});
Task<UdpSocket> connect_udp(Address peer, UdpOptions options = {});

}  // namespace clearway
