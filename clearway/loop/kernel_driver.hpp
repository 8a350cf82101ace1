#pragma once

// What the drivers of the real world share: clocks, random numbers, being woken from elsewhere, and
// the part of sockets that never waits.

#include <array>
#include <atomic>

#include <clearway/base/descriptor.hpp>
#include <clearway/loop/driver.hpp>

namespace clearway {

class KernelDriver : public Driver {
 public:
  [[nodiscard]] Instant now() noexcept override;
  [[nodiscard]] std::int64_t wall_clock() noexcept override;
  std::uint64_t random() noexcept override;
  void wake() noexcept override;
  Handle open_stream(int family) override;
  Handle listen(Address& address, int backlog, bool reuse_port) override;
  Handle adopt_listener(int descriptor, Address& address) override;
  int local_address(Handle handle, Address& address) override;
  int peer_address(Handle handle, Address& address) override;
  int shutdown(Handle handle, int how) override;
  void reset(Handle handle) override;
  int set_no_delay(Handle handle, bool on) override;
  int stream_pair(Handle (&handles)[2]) override;
  Handle open_datagram(int family) override;
  int bind_datagram(Handle handle, Address& address) override;
  int connect_datagram(Handle handle, const Address& peer) override;
  int set_datagram_option(Handle handle, DatagramOption option, int value) override;
  int set_membership(Handle handle, const Address& group, unsigned interface, bool member) override;
  [[nodiscard]] std::size_t open_handles() const noexcept override { return open_handles_; }

 protected:
  // What a descriptor is, for the driver that looks after it.
  enum class Role { stream, listener, datagram };

  // Raises the soft limit of open descriptors; throws SystemError when the kernel refuses a loop.
  KernelDriver();

  // `handle` is ours from now on. `stops_at_messages`: reads may end before there is nothing more,
  // as those of Unix sockets do.
  virtual void own(Handle handle, Role role, bool stops_at_messages) = 0;

  // Readable after a wake() that found the loop asleep. Every write to it is an edge, so it never
  // has to be read.
  [[nodiscard]] int wake_descriptor() const noexcept { return wake_event_.get(); }
  // Called before the loop sleeps; false: it was woken meanwhile and must only poll.
  bool fall_asleep() noexcept;
  // Called after it slept or polled. Whoever called wake() before sees its effect in this turn.
  void wake_up() noexcept;

  // The log says once that accept() on `listener` fails for want of descriptors or memory.
  void say_starved(Handle listener, int code);

  static bool is_writer(Operation::Kind kind) noexcept;
  // Operations that are carried out by one call of ours when the socket is ready for it: datagrams,
  // and parts of files.
  static bool is_direct(Operation::Kind kind) noexcept;
  // Makes that call; false: the socket is not ready.
  static bool transfer(Operation& operation) noexcept;
  // poll(2) without waiting.
  static bool poll_now(int descriptor, short events) noexcept;
  // Linux hands accept() the errors of connections that broke before they were accepted: they
  // concern that connection, not the listener (accept(2), "Error handling").
  static bool concerns_one_connection(int code) noexcept;
  // There is no descriptor, or no memory, now; there may be later.
  static bool is_want(int code) noexcept;
  // The kernel has no event for "there are descriptors again", nor for room in the backlog of a
  // Unix listener: tries after these pauses.
  static constexpr Duration accept_pause = std::chrono::milliseconds(100);
  static constexpr Duration connect_pause = std::chrono::milliseconds(5);

  std::size_t open_handles_ = 0;

 private:
  enum WakeState : int { awake, sleeping, notified };

  Descriptor wake_event_;
  std::atomic<int> wake_state_ = awake;
  bool said_starved_ = false;
  std::array<std::uint64_t, 32> random_{};
  std::size_t random_left_ = 0;
};

}  // namespace clearway
