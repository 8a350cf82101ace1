#include <clearway/task/sync.hpp>

#include <clearway/base/error.hpp>
#include <clearway/task/timeout.hpp>

namespace clearway {

namespace detail {

void WaitQueue::throw_other_thread() {
  throw UsageError(
      "this object belongs to the loop of another thread: locks, events and queues are for tasks "
      "of one loop. Use Loop::post to reach them from other threads");
}

bool EventAwaiter::suspend(PromiseBase& frame) {
  event_.waiters_.claim();
  if (!begin(frame)) return true;
  if (event_.set_) return !done_at_once();
  event_.waiters_.push(*this);
  return true;
}

bool SemaphoreAwaiter::suspend(PromiseBase& frame) {
  semaphore_.waiters_.claim();
  if (!begin(frame)) return true;
  if (semaphore_.waiters_.empty() && semaphore_.available_ >= count_) {
    semaphore_.available_ -= count_;
    return !done_at_once();
  }
  semaphore_.waiters_.push(*this);
  return true;
}

void SemaphoreAwaiter::stop() noexcept {
  QueuedWaiter::stop();
  semaphore_.serve();
}

}  // namespace detail

void Semaphore::release(std::size_t count) {
  if (!waiters_.empty()) waiters_.require_same_thread();
  available_ += count;
  serve();
}

void Semaphore::serve() {
  while (!waiters_.empty()) {
    auto& first = static_cast<detail::SemaphoreAwaiter&>(waiters_.front());
    if (first.count() > available_) return;
    available_ -= first.count();
    first.grant();
  }
}

class Condition::Awaiter final : public detail::QueuedWaiter {
 public:
  explicit Awaiter(Condition& condition) noexcept : condition_(condition) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    condition_.waiters_.claim();
    if (begin(handle.promise())) condition_.waiters_.push(*this);
    return true;
  }
  void await_resume() const { throw_if_cancelled(); }

 private:
  Condition& condition_;
};

class Condition::Notified {
 public:
  Notified(Condition& condition, Lock::Guard& guard) noexcept
      : condition_(condition), guard_(guard) {}
  Awaiter operator co_await() const noexcept {
    guard_.release();
    return Awaiter(condition_);
  }

 private:
  Condition& condition_;
  Lock::Guard& guard_;
};

namespace {

Task<> take_again(Lock::Guard& guard) { guard = co_await guard.lock().acquire(); }

}  // namespace

Task<> Condition::wait(Lock::Guard& guard) {
  return finally(Notified(*this, guard), [&guard] { return take_again(guard); });
}

}  // namespace clearway
