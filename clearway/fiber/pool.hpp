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
    Fiber* const fiber = warm_;
    if (fiber == nullptr) [[unlikely]]
      return acquire_cold();
    warm_ = fiber->next_idle_;
    --warm_count_;
    return *fiber;
  }
  // The memory of its stack stays, as long as few enough are idle.
  void release(Fiber& fiber) noexcept {
    if (warm_count_ >= most_warm) [[unlikely]] {
      release_cold(fiber);
      return;
    }
    fiber.next_idle_ = warm_;
    warm_ = &fiber;
    ++warm_count_;
  }
  // It stands on its stack for ever.
  void lose() noexcept { stacks_.keep(); }
  // The one whose stack `address` is in; null when there is none. For signal handlers.
  [[nodiscard]] const Fiber* of_stack(const char* address) const noexcept;
  [[nodiscard]] FiberCounts counts() const noexcept {
    return {.made = stacks_.count(), .idle = warm_count_ + cold_count_};
  }

 private:
  static constexpr std::size_t most_warm = 256;

  static void* record_of(char* stack) noexcept;
  Fiber& make();
  Fiber& acquire_cold();
  void release_cold(Fiber& fiber) noexcept;
  static void destroy(Fiber* first) noexcept;

  StackPool stacks_;
  // Idle ones: with all their memory, and with what is in the page of the record.
  Fiber* warm_ = nullptr;
  Fiber* cold_ = nullptr;
  std::size_t warm_count_ = 0;
  std::size_t cold_count_ = 0;
};

}  // namespace clearway::detail
