#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include <clearway/base/unique_function.hpp>
#include <clearway/loop/driver.hpp>

namespace clearway {

// Functions on their way to a loop from any thread. Shared, so that a thread can outlive the loop.
class Mailbox {
 public:
  explicit Mailbox(Driver& driver) noexcept : driver_(&driver) {}

  // Runs `function` on the loop, soon. False, and `function` is destroyed unrun, when the loop has
  // ended.
  bool post(UniqueFunction<void()> function);

  // For the loop, on its thread.
  [[nodiscard]] bool full() const noexcept {
    return next_ < batch_.size() || full_.load(std::memory_order_acquire);
  }
  // Runs what has come. What a function throws comes out; those behind it run the next time.
  void deliver() {
    if (full()) run_all();
  }
  // Drops what is left; later posts are refused.
  void close() noexcept;

 private:
  void run_all();

  std::atomic<bool> full_ = false;
  std::mutex mutex_;
  std::vector<UniqueFunction<void()>> functions_;
  Driver* driver_;  // null once the loop has ended

  // What is being run, on the loop's thread.
  std::vector<UniqueFunction<void()>> batch_;
  std::size_t next_ = 0;
};

}  // namespace clearway
