#pragma once

#include <clearway/task/timeout.hpp>

namespace clearway::http::detail {

/// An awaiter with a time limit around it, without frame or allocation of its own. The timer is
/// armed only when the inner awaiter really waits. Throws TimedOut when the deadline has passed
/// first; what the operation had done by then is its result.
template <class Inner>
class DeadlineAwaiter {
 public:
  template <class Make>
  DeadlineAwaiter(Make make, Instant deadline) : inner_(make()), deadline_(deadline) {}
  DeadlineAwaiter(const DeadlineAwaiter&) = delete;
  DeadlineAwaiter& operator=(const DeadlineAwaiter&) = delete;
  ~DeadlineAwaiter() { leave(); }

  bool await_ready() { return inner_.await_ready(); }

  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    frame_ = &handle.promise();
    scope_.enter(frame_->scope);
    scope_.limit(deadline_);
    frame_->scope = &scope_;
    const bool suspended = inner_.await_suspend(handle);
    if (suspended) scope_.start(deadline_);
    return suspended;
  }

  decltype(auto) await_resume() {
    leave();
    try {
      return inner_.await_resume();
    } catch (const Cancelled&) {
      const CancelScope* around = scope_.parent();
      if (!scope_.cancel_called() || (around != nullptr && around->cancelled())) throw;
    }
    throw TimedOut("the deadline has passed");
  }

 private:
  void leave() noexcept {
    if (frame_ == nullptr) return;
    frame_->scope = scope_.parent();
    scope_.stop();
    scope_.leave();
    frame_ = nullptr;
  }

  Inner inner_;
  Instant deadline_;
  PromiseBase* frame_ = nullptr;
  DeadlineScope scope_;
};

/// `description`, which must be done by `deadline`.
template <class D>
class [[nodiscard("co_await it")]] ByDeadline {
 public:
  using Inner = decltype(std::declval<D&&>().operator co_await());

  ByDeadline(D description, Instant deadline)
      : description_(std::move(description)), deadline_(deadline) {}
  DeadlineAwaiter<Inner> operator co_await() && {
    return {[this] { return std::move(description_).operator co_await(); }, deadline_};
  }

 private:
  D description_;
  Instant deadline_;
};

/// The same for a task.
template <class T>
class [[nodiscard("co_await it")]] TaskByDeadline {
 public:
  TaskByDeadline(OwnedFrame<T> frame, Instant deadline)
      : frame_(std::move(frame)), deadline_(deadline) {}
  DeadlineAwaiter<clearway::detail::TaskAwaiter<T>> operator co_await() && {
    return {[this] { return clearway::detail::TaskAwaiter<T>(std::move(frame_)); }, deadline_};
  }

 private:
  OwnedFrame<T> frame_;
  Instant deadline_;
};

template <clearway::detail::Description D>
ByDeadline<D> by(Instant deadline, D description) {
  return {std::move(description), deadline};
}
template <class T>
TaskByDeadline<T> by(Instant deadline, Task<T> task) {
  return {task.release(), deadline};
}

}  // namespace clearway::http::detail
