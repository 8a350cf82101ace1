#pragma once

#include <clearway/task/waiter.hpp>

namespace clearway {

namespace detail {

class SleepAwaiter final : public Waiter, private Timer {
 public:
  explicit SleepAwaiter(Instant deadline) noexcept : deadline_(deadline) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    suspend(handle.promise());
    return true;
  }
  void await_resume() const { throw_if_cancelled(); }

 private:
  void suspend(PromiseBase& frame);
  void stop() noexcept override;
  void expired() override { wake(); }

  Instant deadline_;
};

}  // namespace detail

// What sleep() gives: co_await it.
class [[nodiscard("co_await it")]] Sleep {
 public:
  explicit Sleep(Instant deadline) noexcept : deadline_(deadline) {}
  detail::SleepAwaiter operator co_await() const noexcept {
    return detail::SleepAwaiter(deadline_);
  }

 private:
  Instant deadline_;
};

// Waits for at least `length`, and at most one tick (1 ms) longer plus what the loop is busy with;
// exactly in simulation. A length of zero or less lets the other tasks run once. Cancellation
// leaves nothing behind.
Sleep sleep(Duration length);
Sleep sleep_until(Instant deadline);
// Lets the other tasks run once.
Sleep yield() noexcept;

// The time on the loop's clock.
Instant loop_time();

}  // namespace clearway
