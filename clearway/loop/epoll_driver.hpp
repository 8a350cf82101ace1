#pragma once

// The real world through epoll.
//
// Sockets that the driver opened are registered once, edge-triggered, when an operation first has
// to wait. Each has two flags, `readable` and `writable`: "the next call may succeed". An operation
// whose flag is set makes its system call at once; one whose flag is clear waits for the edge that
// sets it, without asking the kernel first. A receive that got less than it asked for clears the
// flag, since it has drained the socket: so a request costs one recv and one send, and the receive
// for the next request costs nothing until it comes. Where that inference does not hold (the peer
// has ended the stream; Unix sockets, whose reads stop at message boundaries) only EAGAIN clears
// it.
//
// The operations themselves are carried out here, in wait(), for whole batches of events.
//
// Descriptors of others (c-ares' sockets, pipes) can only be waited for (`readable`, `writable`).
// They may be closed and their numbers reused without a word to us, so they are registered for as
// long as somebody waits, level-triggered.

#include <array>
#include <vector>

#include <sys/epoll.h>
#include <clearway/loop/kernel_driver.hpp>

namespace clearway {

class EpollDriver final : public KernelDriver {
 public:
  // Throws SystemError when the kernel refuses.
  EpollDriver();
  ~EpollDriver() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "epoll"; }
  void wait(Instant deadline) override;
  [[nodiscard]] int pollable() noexcept override { return epoll_.get(); }
  Instant park(Instant deadline) override;
  bool submit(Operation& operation) override;
  void cancel(Operation& operation) noexcept override;
  void close(Handle handle) override;

  // System calls made so far, for tests that hold us to a number.
  struct Calls {
    std::uint64_t wait = 0;
    std::uint64_t control = 0;  // epoll_ctl
    std::uint64_t receive = 0;
    std::uint64_t send = 0;
    std::uint64_t accept = 0;
  };
  [[nodiscard]] const Calls& calls() const noexcept { return calls_; }

 private:
  struct Entry;
  struct Chunk;
  enum class Outcome { done, would_wait };

  Entry& entry(Handle handle);
  void own(Handle handle, Role role, bool stops_at_messages) override;
  void disown(Handle handle) noexcept;
  bool submit_reader(Operation& operation, Entry& entry);
  bool submit_writer(Operation& operation, Entry& entry);
  bool submit_foreign(Operation& operation, Entry& entry);
  bool start_connect(Operation& operation, Entry& entry);
  int watch(Handle handle, Entry& entry);
  void update_foreign(Handle handle, Entry& entry) noexcept;
  Outcome attempt(Operation& operation, Entry& entry);
  Outcome attempt_accept(Operation& operation, Entry& entry);
  Outcome attempt_receive(Operation& operation, Entry& entry);
  Outcome attempt_send(Operation& operation, Entry& entry);
  Outcome attempt_connect(Operation& operation, Entry& entry);
  Outcome attempt_transfer(Operation& operation, Entry& entry);
  void starve(Operation& operation, Entry& entry, Duration pause);
  void retry_starved();
  void progress(List<Operation>& waiting, Entry& entry, bool Entry::* flag);
  void handle_event(const epoll_event& event);
  void handle_foreign(Handle handle, Entry& entry, std::uint32_t events);
  int wait_for_events(Instant deadline);

  static constexpr int batch = 512;

  Descriptor epoll_;
  bool has_pwait2_ = true;
  Instant retry_at_ = never;
  std::vector<Handle> starved_;
  std::vector<std::unique_ptr<Chunk>> table_;  // by descriptor number; entries never move
  std::array<epoll_event, batch> events_;
  Calls calls_;
};

}  // namespace clearway
