#pragma once

// Combinators around one task: deadlines, results instead of exceptions, shields, cleanup.
//
// Where the result of a Task<T&> has to be kept, in an optional, a Result, a tuple or a vector, it
// is a std::reference_wrapper<T>; this holds for gather, race and the others too. Where it is
// simply passed on (timeout, shielded, finally) it stays a T&.

#include <functional>
#include <optional>
#include <variant>

#include <clearway/base/result.hpp>
#include <clearway/task/dialect.hpp>
#include <clearway/task/task.hpp>

namespace clearway {

namespace detail {

template <class T>
OwnedFrame<T> take_frame(Task<T>& task) noexcept {
  return task.release();
}
template <Description D>
OwnedFrame<await_result_t<D>> take_frame(D& description) {
  return own(std::move(description));
}

// What keeps a T.
template <class T>
using Kept = std::conditional_t<std::is_reference_v<T>,
                                std::reference_wrapper<std::remove_reference_t<T>>, T>;
template <class T>
using Unvoid = std::conditional_t<std::is_void_v<T>, std::monostate, Kept<T>>;

// Runs one frame in a scope of its own.
template <class T, class Scope>
class ScopedAwaiter {
 public:
  explicit ScopedAwaiter(OwnedFrame<T> frame) noexcept : frame_(std::move(frame)) {}
  ScopedAwaiter(const ScopedAwaiter&) = delete;
  ScopedAwaiter& operator=(const ScopedAwaiter&) = delete;
  bool await_ready() const noexcept { return false; }

 protected:
  ~ScopedAwaiter() = default;

  bool start(PromiseBase& parent) {
    PromiseBase& child = frame_.promise();
    child.parent = ParentLink(parent);
    child.scope = &scope_;
    return !start_inline(child);
  }
  // The child ended because this scope was cancelled, and none around it was.
  [[nodiscard]] bool absorbs() const noexcept {
    return frame_.promise().ended_cancelled() && scope_.cancel_called() &&
           (scope_.parent() == nullptr || !scope_.parent()->cancelled());
  }
  // Leaves the scope: the result, nothing where the scope absorbs.
  std::optional<Unvoid<T>> take_unless_absorbed() {
    scope_.leave();
    if (absorbs()) return std::nullopt;
    if constexpr (std::is_void_v<T>) {
      frame_.promise().take();
      return std::monostate();
    } else {
      return frame_.promise().take();
    }
  }

  OwnedFrame<T> frame_;
  Scope scope_;
};

[[noreturn]] void throw_timed_out(Duration length);

// One with a deadline, which is set when it is awaited.
template <class T>
class LimitedAwaiter : public ScopedAwaiter<T, DeadlineScope> {
 public:
  LimitedAwaiter(OwnedFrame<T> frame, Duration length) noexcept
      : ScopedAwaiter<T, DeadlineScope>(std::move(frame)), length_(length) {}
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    this->scope_.enter(parent.promise().scope);
    this->scope_.start(after(Loop::current().now(), length_));
    return this->start(parent.promise());
  }

 protected:
  ~LimitedAwaiter() = default;

  const Duration length_;
};

template <class T>
class TimeoutAwaiter final : public LimitedAwaiter<T> {
 public:
  using LimitedAwaiter<T>::LimitedAwaiter;
  T await_resume() {
    this->scope_.stop();
    this->scope_.leave();
    if (this->absorbs()) throw_timed_out(this->length_);
    return this->frame_.promise().take();
  }
};

template <class T>
class MoveOnAwaiter final : public LimitedAwaiter<T> {
 public:
  using LimitedAwaiter<T>::LimitedAwaiter;
  std::optional<Unvoid<T>> await_resume() {
    this->scope_.stop();
    return this->take_unless_absorbed();
  }
};

template <class T>
class ShieldAwaiter final : public ScopedAwaiter<T, CancelScope> {
 public:
  using ScopedAwaiter<T, CancelScope>::ScopedAwaiter;
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    this->scope_.enter(parent.promise().scope, true);
    return this->start(parent.promise());
  }
  T await_resume() {
    this->scope_.leave();
    return this->frame_.promise().take();
  }
};

template <class T>
class ResultAwaiter : public TaskAwaiter<T> {
 public:
  using TaskAwaiter<T>::TaskAwaiter;
  Result<Kept<T>> await_resume() {
    auto& promise = this->frame.promise();
    if (promise.error != nullptr && !promise.ended_cancelled()) return promise.error;
    if constexpr (std::is_void_v<T>) {
      promise.take();
      return {};
    } else {
      return Result<Kept<T>>(promise.take());
    }
  }
};

// A frame and how long it may run, on the way to one of the awaiters above.
template <class T, template <class> class Awaiter>
class [[nodiscard("co_await it")]] Limited {
 public:
  Limited(OwnedFrame<T> frame, Duration length) noexcept
      : frame_(std::move(frame)), length_(length) {}
  Awaiter<T> operator co_await() && { return Awaiter<T>(std::move(frame_), length_); }

 private:
  OwnedFrame<T> frame_;
  Duration length_;
};

template <class T, template <class> class Awaiter>
class [[nodiscard("co_await it")]] Wrapped {
 public:
  explicit Wrapped(OwnedFrame<T> frame) noexcept : frame_(std::move(frame)) {}
  Awaiter<T> operator co_await() && { return Awaiter<T>(std::move(frame_)); }

 private:
  OwnedFrame<T> frame_;
};

}  // namespace detail

// Awaits `task` for at most `length`; then cancels it and throws TimedOut. A task that has finished
// by then gives its result whatever the clock says. What runs inside sees the deadline, see
// time_left(). A length of zero or less cancels at the first await.
template <Awaitable A>
auto timeout(Duration length, A task) {
  return detail::Limited<await_result_t<A>, detail::TimeoutAwaiter>(detail::take_frame(task),
                                                                    length);
}

// As timeout(), but gives nullopt instead of throwing (and optional<monostate> for Task<>).
template <Awaitable A>
auto move_on_after(Duration length, A task) {
  return detail::Limited<await_result_t<A>, detail::MoveOnAwaiter>(detail::take_frame(task),
                                                                   length);
}

// Runs `task` to its end whatever is cancelled around it; the cancellation arrives at the next
// await after it.
template <Awaitable A>
auto shielded(A task) {
  return detail::Wrapped<await_result_t<A>, detail::ShieldAwaiter>(detail::take_frame(task));
}

// A value or an error, instead of an exception; a cancellation passes through.
template <Awaitable A>
auto as_result(A task) {
  return detail::Wrapped<await_result_t<A>, detail::ResultAwaiter>(detail::take_frame(task));
}

// How long the running task may still take before a deadline around it passes; Duration::max()
// without one, zero when it has passed.
Duration time_left();

namespace detail {

template <class T, class Cleanup>
Task<T> finally_frame(OwnedFrame<T> body, Cleanup cleanup) {
  std::exception_ptr error;
  std::optional<Unvoid<T>> value;
  try {
    if constexpr (std::is_void_v<T>) {
      co_await Task<T>(std::move(body));
    } else {
      value.emplace(co_await Task<T>(std::move(body)));
    }
  } catch (...) {  // a cancellation too: it is thrown again below
    error = std::current_exception();
  }
  // The body's error counts; a second one, of the cleanup, would hide it.
  if (error != nullptr) {
    auto ignored = co_await as_result(shielded(std::invoke(cleanup)));
    static_cast<void>(ignored);
    std::rethrow_exception(error);
  }
  co_await shielded(std::invoke(cleanup));
  if constexpr (!std::is_void_v<T>) co_return std::move(*value);
}

}  // namespace detail

// Awaits `body`, then `cleanup()` whatever came of it, shielded from the cancellation that may have
// caused it; then gives the body's result or error. Use a `[&]` lambda for `cleanup`.
template <Awaitable A, class Cleanup>
Task<await_result_t<A>> finally(A body, Cleanup&& cleanup) {
  check_dialect<Cleanup>();
  return detail::finally_frame<await_result_t<A>, std::decay_t<Cleanup>>(
      detail::take_frame(body), std::forward<Cleanup>(cleanup));
}

}  // namespace clearway
