#pragma once

// A queue of awaiters: the building block of events, locks, semaphores and queues. First come,
// first served; the nodes are the awaiters themselves.

#include <clearway/task/waiter.hpp>

namespace clearway::detail {

struct WaitQueueTag;

// An awaiter that waits until its object wakes it. Derived awaiters decide in await_suspend whether
// they have to wait.
class QueuedWaiter : public Waiter, public ListNode<WaitQueueTag> {
 public:
  // Takes this waiter off its queue and resumes it with success.
  void grant() noexcept {
    ListNode<WaitQueueTag>::unlink();
    wake();
  }

 protected:
  ~QueuedWaiter() = default;
  void stop() noexcept override {
    ListNode<WaitQueueTag>::unlink();
    wake_cancelled();
  }
};

// Serves the tasks of one thread: that of the first task that waits. Loops of that thread may come
// and go.
class WaitQueue {
 public:
  [[nodiscard]] bool empty() const noexcept { return waiters_.empty(); }
  // The only way to a waiter. Throws UsageError on another thread.
  [[nodiscard]] QueuedWaiter& front() {
    require_same_thread();
    return waiters_.front();
  }
  // Before a task waits: the queue belongs to this thread from now on. Throws UsageError when it
  // is another's.
  void claim() {
    if (thread_ == nullptr) thread_ = this_thread();
    require_same_thread();
  }
  void push(QueuedWaiter& waiter) noexcept { waiters_.push_back(waiter); }
  // Grants the longest waiting; nothing when nobody waits. Throws UsageError on another thread.
  void grant_one() {
    if (!waiters_.empty()) front().grant();
  }
  void grant_all() {
    while (!waiters_.empty()) front().grant();
  }

  // Throws UsageError when the tasks of another thread have waited here.
  void require_same_thread() const {
    if (thread_ != nullptr && thread_ != this_thread()) throw_other_thread();
  }

 private:
  // An address that tells the threads that run from each other.
  [[nodiscard]] static const void* this_thread() noexcept {
    static thread_local constinit char mark = 0;
    return &mark;
  }
  [[noreturn]] static void throw_other_thread();

  const void* thread_ = nullptr;
  List<QueuedWaiter, WaitQueueTag> waiters_;
};

}  // namespace clearway::detail
