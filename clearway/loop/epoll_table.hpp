#pragma once

// The epoll driver's table of descriptors. Private to its sources.

#include <array>
#include <cstdint>

#include <clearway/loop/epoll_driver.hpp>

namespace clearway {

struct EpollDriver::Entry {
  List<Operation> readers;
  List<Operation> writers;
  std::uint32_t generation = 0;  // tells a late event of a closed descriptor from its successor's
  bool owned = false;            // opened by this driver
  bool registered = false;
  bool readable = true;
  bool writable = true;
  bool hangup = false;             // the peer ended the stream: short reads prove nothing any more
  bool stops_at_messages = false;  // nor do they on Unix sockets
  bool starved = false;            // waits in starved_
};

struct EpollDriver::Chunk {
  static constexpr std::size_t size = 256;
  std::array<Entry, size> entries;
};

}  // namespace clearway
