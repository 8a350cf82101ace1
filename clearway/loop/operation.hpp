#pragma once

#include <cstddef>
#include <cstdint>

#include <sys/uio.h>
#include <clearway/base/list.hpp>
#include <clearway/loop/address.hpp>

namespace clearway {

// A socket as the driver names it: a file descriptor, or a number of the simulated world.
using Handle = int;
inline constexpr Handle no_handle = -1;

// One of several datagrams.
struct DatagramSlot {
  iovec piece{};         // where its bytes are, or go
  Address address;       // the sender; or the target, empty for the peer
  std::size_t size = 0;  // when received: its whole length
};

// Where in an open file of the operating system to begin.
struct FileRegion {
  int descriptor = -1;
  std::uint64_t offset = 0;
};

// One thing asked of the driver. It lives where its owner lives (the awaiting frame, the record of
// an idle connection) and must stay there until it has completed; a cancelled operation completes
// too, with what it had done or with -ECANCELED. `data` and `address` are written only right before
// completed().
class Operation : public ListNode<Operation> {
 public:
  enum class Kind : std::uint8_t {
    accept,    // result: the new handle; `address` becomes the peer's
    connect,   // to `address`; result: 0
    receive,   // into `data`, at most `size`; result: bytes, 0 at the end of the stream
    send,      // the `vector_count` pieces at `vectors`; result: bytes taken, at least one
    readable,  // result: 0 when a receive or accept would not wait
    writable,  // result: 0 when a send would not wait
    // The next datagram, into `data`, at most `size`; result: its whole length, more than `size`
    // when it was cut. `address`, unless null, becomes the sender's.
    receive_datagram,
    // The pieces at `vectors` as one datagram to `address`, or to the peer when it is null.
    send_datagram,
    // Several with one call: the `size` DatagramSlots at `data`; result: how many, at least one.
    receive_datagrams,
    send_datagrams,
    // At most `size` bytes of the FileRegion at `data`; result: bytes taken, 0 when the file ends
    // before the region begins. Not through transports.
    send_file,
  };

  Operation() noexcept = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  // Called by the driver on the loop's thread, once per submit that returned false, when `result`
  // is set. It must not resume a task itself: it pushes onto the ready queue.
  virtual void completed() = 0;

  Kind kind = Kind::readable;
  bool pending = false;      // submitted and not completed; kept by the driver
  std::uint32_t ticket = 0;  // of this submission; for the driver
  Handle handle = no_handle;
  void* data = nullptr;
  std::size_t size = 0;
  const iovec* vectors = nullptr;
  int vector_count = 0;
  Address* address = nullptr;
  std::int64_t result = 0;  // or a negative errno value

 protected:
  ~Operation() = default;
};

}  // namespace clearway
