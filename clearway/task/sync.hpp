#pragma once

// Event, Lock, Semaphore and Condition: for tasks of one loop. None of them blocks the thread, all
// serve their waiters in order, and what has been granted is never lost to a cancellation.
//
// Each belongs to the thread whose task waits first. On another thread, what could wake a task
// throws UsageError: post it to the loop (Loop::post). Where nothing can be thrown, when a Permit
// or Guard is destroyed there while tasks wait for it, the program ends with that message.

#include <utility>

#include <clearway/task/task.hpp>
#include <clearway/task/wait_queue.hpp>

namespace clearway {

class Event;
class Lock;
class Semaphore;

namespace detail {

class EventAwaiter final : public QueuedWaiter {
 public:
  explicit EventAwaiter(Event& event) noexcept : event_(event) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return suspend(handle.promise());
  }
  void await_resume() const { throw_if_cancelled(); }

 private:
  bool suspend(PromiseBase& frame);
  Event& event_;
};

class SemaphoreAwaiter : public QueuedWaiter {
 public:
  SemaphoreAwaiter(Semaphore& semaphore, std::size_t count) noexcept
      : semaphore_(semaphore), count_(count) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    return suspend(handle.promise());
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 protected:
  Semaphore& semaphore_;

 private:
  bool suspend(PromiseBase& frame);
  // A waiter that gives up may have been in the way of smaller ones behind it.
  void stop() noexcept override;
  std::size_t count_;
};

}  // namespace detail

// Set once or again and again; waiting for a set event does not suspend.
class Event {
 public:
  class [[nodiscard("co_await it")]] Wait {
   public:
    explicit Wait(Event& event) noexcept : event_(event) {}
    detail::EventAwaiter operator co_await() const noexcept { return detail::EventAwaiter(event_); }

   private:
    Event& event_;
  };

  // Wakes every waiter and lets later ones pass until clear(). Throws UsageError on another thread.
  void set() {
    waiters_.require_same_thread();
    set_ = true;
    waiters_.grant_all();
  }
  void clear() noexcept { set_ = false; }
  [[nodiscard]] bool is_set() const noexcept { return set_; }
  // Cancellation leaves the event as it is.
  Wait wait() noexcept { return Wait(*this); }

 private:
  friend class detail::EventAwaiter;
  bool set_ = false;
  detail::WaitQueue waiters_;
};

// A number of permits. Large requests are not overtaken by small ones.
class Semaphore {
 public:
  explicit Semaphore(std::size_t permits) noexcept : available_(permits) {}

  // Returns its permits when destroyed.
  class [[nodiscard]] Permit {
   public:
    Permit(Semaphore& semaphore, std::size_t count) noexcept
        : semaphore_(&semaphore), count_(count) {}
    Permit(Permit&& other) noexcept
        : semaphore_(std::exchange(other.semaphore_, nullptr)), count_(other.count_) {}
    Permit& operator=(Permit&& other) noexcept {
      std::swap(semaphore_, other.semaphore_);
      std::swap(count_, other.count_);
      return *this;
    }
    ~Permit() { release(); }
    // Returns the permits early.
    void release() noexcept {
      if (semaphore_ != nullptr) std::exchange(semaphore_, nullptr)->release(count_);
    }

   private:
    Semaphore* semaphore_;
    std::size_t count_;
  };

  class Awaiter final : public detail::SemaphoreAwaiter {
   public:
    using SemaphoreAwaiter::SemaphoreAwaiter;
    Permit await_resume() const {
      throw_if_cancelled();
      return Permit(semaphore_, count());
    }
  };
  class [[nodiscard("co_await it")]] Acquire {
   public:
    Acquire(Semaphore& semaphore, std::size_t count) noexcept
        : semaphore_(semaphore), count_(count) {}
    Awaiter operator co_await() const noexcept { return Awaiter(semaphore_, count_); }

   private:
    Semaphore& semaphore_;
    std::size_t count_;
  };

  // Waits for `count` permits. Cancelled while waiting, it takes none; once they are granted the
  // caller has them.
  Acquire acquire(std::size_t count = 1) noexcept { return Acquire(*this, count); }
  [[nodiscard]] std::size_t available() const noexcept { return available_; }
  // Adds permits: what Permit does, or to enlarge the semaphore. Throws UsageError on another
  // thread while tasks wait.
  void release(std::size_t count = 1);

 private:
  friend class detail::SemaphoreAwaiter;
  void serve();

  std::size_t available_;
  detail::WaitQueue waiters_;
};

// Mutual exclusion between tasks, across awaits.
//
//   auto guard = co_await lock.acquire();
class Lock {
 public:
  class [[nodiscard]] Guard {
   public:
    explicit Guard(Lock& lock) noexcept : permit_(lock.semaphore_, 1), lock_(&lock) {}
    Guard(Guard&&) noexcept = default;
    Guard& operator=(Guard&&) noexcept = default;
    ~Guard() = default;
    void release() noexcept { permit_.release(); }
    [[nodiscard]] Lock& lock() const noexcept { return *lock_; }

   private:
    Semaphore::Permit permit_;
    Lock* lock_;
  };
  class Awaiter final : public detail::SemaphoreAwaiter {
   public:
    explicit Awaiter(Lock& lock) noexcept : SemaphoreAwaiter(lock.semaphore_, 1), lock_(lock) {}
    Guard await_resume() const {
      throw_if_cancelled();
      return Guard(lock_);
    }

   private:
    Lock& lock_;
  };
  class [[nodiscard("co_await it")]] Acquire {
   public:
    explicit Acquire(Lock& lock) noexcept : lock_(lock) {}
    Awaiter operator co_await() const noexcept { return Awaiter(lock_); }

   private:
    Lock& lock_;
  };

  Acquire acquire() noexcept { return Acquire(*this); }
  [[nodiscard]] bool locked() const noexcept { return semaphore_.available() == 0; }

 private:
  Semaphore semaphore_{1};
};

// Waiting for a state that a lock protects.
//
//   auto guard = co_await lock.acquire();
//   while (!ready) co_await changed.wait(guard);
class Condition {
 public:
  // Releases the lock, waits for a notification, takes the lock again. Cancelled or not, the caller
  // holds the lock afterwards; a notification that was granted is not lost.
  Task<> wait(Lock::Guard& guard);
  // Throw UsageError on another thread while tasks wait.
  void notify_one() { waiters_.grant_one(); }
  void notify_all() { waiters_.grant_all(); }

 private:
  class Awaiter;
  class Notified;
  detail::WaitQueue waiters_;
};

}  // namespace clearway
