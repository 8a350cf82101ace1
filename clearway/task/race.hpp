#pragma once

// The first of several; the others are cancelled.
//
//   auto [message, tick] = co_await race(queue.get(), sleep(5s));
//
// Gives a tuple of optionals. Everything that finished is set: a loser whose operation had
// completed when it was cancelled has its result here too, so nothing is lost. An error of any of
// them is thrown when all have ended.

#include <optional>
#include <tuple>

#include <clearway/task/join.hpp>
#include <clearway/task/timeout.hpp>

namespace clearway {

namespace detail {

template <class... T>
class RaceAwaiter final : public Join {
 public:
  explicit RaceAwaiter(std::tuple<OwnedFrame<T>...> frames) : frames_(std::move(frames)) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    open(parent.promise());
    std::apply([this](auto&... frame) { (start(frame.promise()), ...); }, frames_);
    return close();
  }
  std::tuple<std::optional<Unvoid<T>>...> await_resume() {
    if (decided_) interrupted_ = false;
    finish();
    return std::apply(
        [](auto&... frame) {
          return std::tuple<std::optional<Unvoid<T>>...>(take(frame.promise())...);
        },
        frames_);
  }

 private:
  void start(PromiseBase& child) noexcept {
    if (!decided_ && error_ == nullptr) launch(child, *this);
  }
  void collect(PromiseBase&) noexcept override {
    decided_ = true;
    scope_.cancel();
  }
  template <class U>
  static std::optional<Unvoid<U>> take(Promise<U>& promise) {
    if (!promise.handle().done() || promise.error != nullptr) return std::nullopt;
    if constexpr (std::is_void_v<U>) {
      return std::monostate();
    } else {
      return promise.take();
    }
  }

  std::tuple<OwnedFrame<T>...> frames_;
  bool decided_ = false;
};

template <class... T>
class [[nodiscard("co_await it")]] Race {
 public:
  explicit Race(OwnedFrame<T>... frames) : frames_(std::move(frames)...) {}
  RaceAwaiter<T...> operator co_await() && { return RaceAwaiter<T...>(std::move(frames_)); }

 private:
  std::tuple<OwnedFrame<T>...> frames_;
};

}  // namespace detail

// A tuple of optionals, one per task, in order; std::monostate stands for Task<>'s result.
template <Awaitable... A>
auto race(A... tasks) {
  return detail::Race<await_result_t<A>...>(detail::take_frame(tasks)...);
}

}  // namespace clearway
