#pragma once

// How a blocking call waits on a fiber.

#include <array>
#include <cstdint>
#include <memory>

#include <poll.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/fiber/core.hpp>
#include <clearway/fiber/parked.hpp>
#include <clearway/task/waiter.hpp>

namespace clearway::detail {

// One wait of one fiber, on its stack: for descriptors, for some time, for whichever comes first.
class FiberWait final : public Waiter, private Timer {
 public:
  static constexpr std::int64_t for_ever = -1;

  // `fiber` is the current one; `call` names what waits, for reports.
  FiberWait(Fiber& fiber, const char* call) noexcept : fiber_(fiber), call_(call) {}
  FiberWait(const FiberWait&) = delete;
  FiberWait& operator=(const FiberWait&) = delete;
  ~FiberWait() = default;

  // Waits until one of the descriptors may be ready (0), or for so many nanoseconds (-ETIMEDOUT).
  // -ECANCELED: the fiber is cancelled; -EBADF: one of them was closed; -ENOMEM. Once per object.
  int wait(const pollfd* descriptors, nfds_t count, std::int64_t nanoseconds) noexcept;
  // Lets the others run once.
  void yield() noexcept;
  // Waits so long, whether the fiber is cancelled or not. Instead of wait().
  void pause(Duration length) noexcept;

 private:
  // A wait of the driver's; one without an operation only listens for closing.
  struct Watch final : Operation, Parked {
    void completed() override { owner->watch_completed(); }
    void closing() noexcept override { owner->settle(-EBADF); }
    FiberWait* owner = nullptr;
  };

  int refuse() noexcept;
  void sleep_unscoped(Duration length) noexcept;
  bool make_watches(const pollfd* descriptors, nfds_t count);
  bool watch_together(const pollfd* descriptors, nfds_t count);
  void add_watch(int descriptor, Operation::Kind kind, bool submitted);
  void begin_waiting(std::int64_t nanoseconds);
  void watch_completed() noexcept;
  void settle(int result) noexcept;
  void go_on() noexcept;
  void stop() noexcept override { settle(-ECANCELED); }
  void expired() override;
  void look_again();

  Fiber& fiber_;
  const char* call_;
  const pollfd* descriptors_ = nullptr;
  nfds_t count_ = 0;
  Instant deadline_ = never;
  Duration pause_{};  // in simulation, until the kernel is asked again
  int result_ = 0;
  int pending_ = 0;  // operations that the driver has
  bool settled_ = false;
  bool busy_ = true;  // submitting or cancelling: what completes does not wake yet

  std::array<Watch, 3> few_;
  std::unique_ptr<Watch[]> many_;
  std::size_t watches_ = 0;
  Descriptor together_;  // an epoll instance that waits for many at once
};

}  // namespace clearway::detail
