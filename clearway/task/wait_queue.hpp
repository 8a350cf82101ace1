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

class WaitQueue {
 public:
  [[nodiscard]] bool empty() const noexcept { return waiters_.empty(); }
  [[nodiscard]] QueuedWaiter& front() noexcept { return waiters_.front(); }
  // Remembers the loop of the first waiter; a waiter of another loop is a UsageError.
  void push(QueuedWaiter& waiter) {
    require_same_loop();
    waiters_.push_back(waiter);
  }
  // Grants the longest waiting; nothing when nobody waits.
  void grant_one() noexcept {
    if (!waiters_.empty()) waiters_.front().grant();
  }
  void grant_all() noexcept {
    while (!waiters_.empty()) waiters_.front().grant();
  }

  // Throws UsageError when this object was used on another loop before.
  void require_same_loop();

 private:
  Loop* loop_ = nullptr;
  List<QueuedWaiter, WaitQueueTag> waiters_;
};

}  // namespace clearway::detail
