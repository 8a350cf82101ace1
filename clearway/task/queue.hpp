#pragma once

#include <deque>
#include <limits>
#include <optional>
#include <utility>

#include <clearway/base/error.hpp>
#include <clearway/task/task.hpp>
#include <clearway/task/wait_queue.hpp>

namespace clearway {

// Thrown by put() on a closed queue.
class QueueClosed : public Error {
 public:
  QueueClosed() : Error("the queue is closed: nothing can be put into it any more") {}
};

// A bounded queue between tasks of one loop: put() waits while it is full, get() while it is empty.
// After close() what is in it can still be got; then get() gives nullopt, at once and for ever.
//
// Cancellation: a get() that was given an item keeps it; a put() that waited has put nothing.
//
// It belongs to the thread whose task waits first; on others everything but the observers throws
// UsageError. Loop::post brings an item from another thread.
template <class T>
class Queue {
 public:
  class GetAwaiter;
  class PutAwaiter;

  class [[nodiscard("co_await it")]] Get {
   public:
    explicit Get(Queue& queue) noexcept : queue_(queue) {}
    GetAwaiter operator co_await() const noexcept { return GetAwaiter(queue_); }

   private:
    Queue& queue_;
  };
  class [[nodiscard("co_await it")]] Put {
   public:
    Put(Queue& queue, T item) : queue_(queue), item_(std::move(item)) {}
    PutAwaiter operator co_await() && { return PutAwaiter(queue_, std::move(item_)); }

   private:
    Queue& queue_;
    T item_;
  };

  // A capacity of 0 makes every put() wait for its get().
  explicit Queue(std::size_t capacity = std::numeric_limits<std::size_t>::max()) noexcept
      : capacity_(capacity) {}

  Get get() noexcept { return Get(*this); }
  // Throws QueueClosed, also to those that wait when close() is called.
  Put put(T item) { return Put(*this, std::move(item)); }

  std::optional<T> try_get() {
    putters_.require_same_thread();
    if (items_.empty() && putters_.empty()) return std::nullopt;
    return take();
  }
  // False leaves `item` as it was: the queue is full or closed.
  bool try_put(T& item) {
    getters_.require_same_thread();
    if (closed_ || (getters_.empty() && items_.size() >= capacity_)) return false;
    place(std::move(item));
    return true;
  }

  // Idempotent.
  void close() {
    getters_.require_same_thread();
    putters_.require_same_thread();
    closed_ = true;
    getters_.grant_all();
    putters_.grant_all();
  }
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }

 private:
  T take() {
    if (items_.empty()) return take_from_putter();
    T item = std::move(items_.front());
    items_.pop_front();
    if (!putters_.empty()) items_.push_back(take_from_putter());
    return item;
  }
  T take_from_putter() {
    auto& putter = static_cast<PutAwaiter&>(putters_.front());
    T item = std::move(putter.item_);
    putter.done_ = true;
    putter.grant();
    return item;
  }
  void place(T item) {
    if (getters_.empty()) {
      items_.push_back(std::move(item));
    } else {
      auto& getter = static_cast<GetAwaiter&>(getters_.front());
      getter.item_ = std::move(item);
      getter.grant();
    }
  }

  std::size_t capacity_;
  bool closed_ = false;
  std::deque<T> items_;
  detail::WaitQueue getters_;
  detail::WaitQueue putters_;
};

template <class T>
class Queue<T>::GetAwaiter final : public detail::QueuedWaiter {
 public:
  explicit GetAwaiter(Queue& queue) noexcept : queue_(queue) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    queue_.getters_.claim();
    if (!begin(handle.promise())) return true;
    item_ = queue_.try_get();
    if (item_.has_value() || queue_.closed_) return !done_at_once();
    queue_.getters_.push(*this);
    return true;
  }
  std::optional<T> await_resume() {
    throw_if_cancelled();
    return std::move(item_);
  }

 private:
  friend class Queue;
  Queue& queue_;
  std::optional<T> item_;
};

template <class T>
class Queue<T>::PutAwaiter final : public detail::QueuedWaiter {
 public:
  PutAwaiter(Queue& queue, T item) : queue_(queue), item_(std::move(item)) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    queue_.putters_.claim();
    if (!begin(handle.promise())) return true;
    done_ = queue_.try_put(item_);
    if (done_ || queue_.closed_) return !done_at_once();
    queue_.putters_.push(*this);
    return true;
  }
  void await_resume() const {
    throw_if_cancelled();
    if (!done_) throw QueueClosed();
  }

 private:
  friend class Queue;
  Queue& queue_;
  T item_;
  bool done_ = false;
};

}  // namespace clearway
