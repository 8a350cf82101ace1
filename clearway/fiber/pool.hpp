#pragma once

// One thread's fibers that have finished and wait for something to do.

#include <clearway/fiber/core.hpp>

namespace clearway::detail {

class FiberPool {
 public:
  FiberPool();
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;
  ~FiberPool();

  // Throws SystemError when no stack can be had.
  Fiber& acquire() {
    if (idle_ == nullptr) return make();
    Fiber& fiber = *idle_;
    idle_ = fiber.next_idle_;
    --counts_.idle;
    return fiber;
  }
  // The memory of its stack stays, as long as few enough are idle.
  void release(Fiber& fiber) noexcept;
  // It stands on its stack for ever.
  void lose() noexcept { stacks_.keep(); }
  [[nodiscard]] const FiberCounts& counts() const noexcept { return counts_; }

 private:
  static constexpr std::size_t warm = 256;  // idle fibers that keep all their memory

  Fiber& make();

  StackPool stacks_;
  Fiber* idle_ = nullptr;
  FiberCounts counts_;
};

// What a thread knows of its fibers.
struct FiberThread {
  Fiber* current = nullptr;
  Fiber* entered = nullptr;
  FiberPool* pool = nullptr;
  ExceptionGlobals* exceptions = nullptr;  // the runtime's, of the stack that runs
  // For FiberLane: some wait in it; fibers have had their share of the turn numbered `turn`, which
  // began to count then.
  bool lane_waits = false;
  bool crowded = false;
  std::uint64_t turn = 0;
  Instant share_began{};
};
extern constinit thread_local FiberThread this_fiber_thread;

}  // namespace clearway::detail
