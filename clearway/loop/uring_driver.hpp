#pragma once

// The real world through io_uring.
//
// Operations become entries of a queue, which goes to the kernel with the one call a turn that also
// waits; what completed is in another queue when it returns. So a request costs no system call of
// its own. Three things follow from the kernel working on its own:
//
// Memory. A receive owns none while it waits: the kernel takes a buffer of a common group when
// bytes have come, and they are copied to the operation right before it completes. An idle
// connection has no buffer, and operations may name the same memory. What a buffer cannot hold is
// fetched with one more recv() into the operation's own memory; while a socket is known to have
// more, receives make that call at once.
//
// Cancellation. A receive, send or connect that is cancelled completes when the kernel has let go
// of it, with what it had done by then. A wait for readiness, which takes nothing, completes at
// once; what is left of it in the kernel is cancelled too and then ignored.
//
// Closing. A descriptor is closed when nothing in the kernel refers to it any more: the rest is
// cancelled before, with a call of its own.
//
// Datagrams, and files that are sent. These wait for readiness and then make their call: a receive
// owns no memory meanwhile, and all end at once when they are cancelled, having done nothing.
//
// A listener accepts into a list of its own (one multishot request gives all connections), from
// which operations take. A turn in which nobody does ends the request: connections then queue in
// the kernel, as they do with epoll.
//
// Receives are one request each rather than multishot: measured, those save 4 % of a request's
// processor time and cost a store of bytes that nobody asked for, with a limit, for each socket.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <clearway/loop/kernel_driver.hpp>
#include <clearway/loop/uring_ring.hpp>

namespace clearway {

class UringDriver final : public KernelDriver {
 public:
  // Of the thread that makes it. Throws SystemError, with the reason, when there is no io_uring
  // here. `highest` is for tests of what older kernels get.
  explicit UringDriver(UringRung highest = UringRung::deferred);
  ~UringDriver() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "io_uring"; }
  // What of io_uring is in use, for people: "DEFER_TASKRUN, provided buffers".
  [[nodiscard]] std::string description() const;
  void wait(Instant deadline) override;
  // The ring itself, unless it is one with DEFER_TASKRUN: whoever polls such a ring is not woken
  // when there is work for our next call (seen on Linux 6.18, as with an eventfd registered with
  // it).
  [[nodiscard]] int pollable() noexcept override;
  Instant park(Instant deadline) override;
  bool submit(Operation& operation) override;
  void cancel(Operation& operation) noexcept override;
  void close(Handle handle) override;

  // System calls made so far, and requests given to the kernel without one, for tests that hold us
  // to a number.
  struct Calls {
    std::uint64_t enter = 0;
    std::uint64_t requests = 0;
    std::uint64_t receive = 0;
    std::uint64_t accept = 0;  // fallback only
  };
  [[nodiscard]] const Calls& calls() const noexcept { return calls_; }
  // Requests that the kernel has not completed.
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }

 private:
  struct Entry;
  struct Chunk;
  struct Request;
  struct Listening;
  struct Messages;
  enum class Step : std::uint8_t { receive, send, connect, accept, poll };
  using Slot = std::uint32_t;  // a place in requests_; 0 is none

  // Descriptors and requests
  Entry& entry(Handle handle);
  void own(Handle handle, Role role, bool stops_at_messages) override;
  io_uring_sqe& next_submission() noexcept;
  io_uring_sqe& new_request(Step step, Handle handle, Operation* operation, Slot& slot);
  void end_request(Slot slot, Entry& socket) noexcept;
  void cancel_request(Slot slot) noexcept;
  bool all_ended(Handle handle, const Entry& socket) const noexcept;
  bool gives_connection(const Request& request, const io_uring_cqe& completion) const noexcept;
  void watch_wake() noexcept;
  void enter_now() noexcept;

  // Starting operations
  bool submit_foreign(Operation& operation);
  bool submit_accept(Operation& operation, Entry& listener);
  bool attempt(Operation& operation, Entry& socket);
  void begin_first(Handle handle, Entry& socket);
  void begin(Operation& operation, Entry& socket);
  void begin_receive(Operation& operation, Slot& slot, bool empty);
  void begin_send(Operation& operation, Slot& slot);
  void begin_poll(Operation& operation, Slot& slot);
  void begin_accept(Handle handle, Entry& listener);

  // Completing them
  int enter_and_wait(Instant deadline);
  void dispatch();
  void complete(const io_uring_cqe& completion);
  void finish(Operation& operation, std::int64_t result);
  void received(Operation& operation, Entry& socket, const io_uring_cqe& completion,
                bool cancelled);
  void take_buffer(Operation& operation, Entry& socket, const io_uring_cqe& completion);
  bool receive_now(Operation& operation, Entry& socket);
  std::int64_t fetch(Entry& socket, Handle handle, char* into, std::size_t size);
  void polled(Operation& operation, Entry& socket, bool cancelled);
  void accepted(Handle handle, Entry& listener, std::int32_t result);
  void accept_by_call(Handle handle, Entry& listener);
  void serve_accepts(Handle handle, Entry& listener);
  void give_connection(Operation& operation, Entry& listener);

  // Waiting for better times
  void starve(Handle handle, Entry& socket, Duration pause);
  void retry_starved();
  void leave_connections() noexcept;

  UringRing ring_;
  UringBuffers buffers_;
  Instant retry_at_ = never;
  std::vector<Handle> starved_;
  std::vector<Handle> crowded_;  // listeners with connections that nobody took at once
  std::vector<std::unique_ptr<Chunk>> table_;  // by descriptor number; entries never move
  std::vector<Request> requests_;
  Slot free_ = 0;
  std::size_t in_flight_ = 0;
  std::unique_ptr<Messages> messages_;
  Calls calls_;
};

}  // namespace clearway
