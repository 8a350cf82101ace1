#pragma once

// Work that may be done on the loop's own thread, since it does not wait. Private to os.

#include <optional>
#include <string>
#include <utility>

#include <clearway/task/waiter.hpp>

namespace clearway::detail {

// Awaits what a function gives, called at once. Like every await it ends a task that is cancelled,
// before the call, and gives way when the task has had its share of the turn. In a simulated world
// the function is not called: nothing is there at once.
template <class F>
class [[nodiscard("co_await it")]] AtOnce {
 public:
  explicit AtOnce(F& function) noexcept : function_(&function) {}

  class Awaiter final : public Waiter {
   public:
    explicit Awaiter(F& function) noexcept : function_(function) {}
    bool await_ready() const noexcept { return Loop::current().driver().simulated(); }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> frame) {
      if (!begin(frame.promise())) return true;
      result_ = function_();
      return !done_at_once();
    }
    std::optional<std::string> await_resume() {
      throw_if_cancelled();
      return std::move(result_);
    }

   private:
    void stop() noexcept override {}  // it is never under way

    F& function_;
    std::optional<std::string> result_;
  };

  Awaiter operator co_await() const noexcept { return Awaiter(*function_); }

 private:
  F* function_;
};

}  // namespace clearway::detail
