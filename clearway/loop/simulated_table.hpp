#pragma once

// The simulated driver's sockets. Private to its sources.

#include <deque>

#include <clearway/loop/simulated_driver.hpp>

namespace clearway {

// A datagram that has arrived.
struct SimulatedDriver::Message {
  Message(Address sender, std::string bytes) : from(sender), bytes(std::move(bytes)) {}
  Address from;
  std::string bytes;
};

struct SimulatedDriver::Socket {
  Handle handle = no_handle;
  bool listening = false;
  bool connected = false;
  bool connecting = false;
  bool received_end = false;  // the peer has sent its last byte, and it has arrived
  bool was_reset = false;
  bool send_closed = false;
  Address local;
  Address remote;
  Handle peer = no_handle;  // no_handle once the peer has closed
  std::string unread;
  std::size_t on_the_way = 0;  // bytes sent to this socket and not arrived
  Instant last_arrival{};      // messages to this socket stay in order
  std::size_t backlog = 0;
  std::deque<Handle> arrived;  // connections to accept
  List<Operation> waiting;

  // Of datagrams.
  bool datagram = false;
  bool reuse = false;
  bool broadcast = false;
  int family = AF_INET;
  int error = 0;  // an earlier datagram came back
  std::deque<Message> messages;
  std::vector<Address> groups;
};

}  // namespace clearway
