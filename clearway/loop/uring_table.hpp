#pragma once

// The io_uring driver's tables of descriptors and requests. Private to its sources.

#include <array>
#include <deque>

#include <sys/socket.h>
#include <clearway/loop/uring_driver.hpp>

namespace clearway {

// What is known of the bytes that wait in a socket.
enum class UringInput : std::uint8_t { unknown, none, some };

struct UringDriver::Entry {
  List<Operation> readers;  // only the first of each list is in the kernel
  List<Operation> writers;
  std::unique_ptr<Listening> listening;  // listeners only
  Slot reading = 0;                      // the request of the first reader
  Slot writing = 0;
  std::uint32_t generation = 0;  // tells requests of a closed descriptor from its successor's
  std::uint32_t in_flight = 0;   // requests that the kernel has not completed
  int error = 0;                 // came after bytes: it is the next receive's
  UringInput input = UringInput::unknown;
  bool owned = false;    // opened by this driver
  bool closing = false;  // given up, and to be closed with the last completion
  bool stops_at_messages = false;
  bool starved = false;  // waits in starved_
};

struct UringDriver::Chunk {
  static constexpr std::size_t size = 256;
  std::array<Entry, size> entries;
};

struct UringDriver::Listening {
  std::deque<Handle> arrived;  // accepted, and taken by nobody yet
  Slot accepting = 0;
  bool crowded = false;  // is in crowded_
};

// What was asked of the kernel.
struct UringDriver::Request {
  Operation* operation = nullptr;  // null: nobody waits for it
  Handle handle = no_handle;
  std::uint32_t generation = 0;  // of the entry
  std::uint32_t serial = 0;      // tells it from others that had the slot
  Slot next_free = 0;
  Step step = Step::poll;
  bool cancelled = false;
};

// The kernel reads them when it takes the entry with the same place from the queue.
struct UringDriver::Messages {
  explicit Messages(std::size_t count) : headers(count) {}
  std::vector<msghdr> headers;
};

}  // namespace clearway
