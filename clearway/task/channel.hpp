#pragma once

// A bounded queue between loops: any task of any loop may send and receive.
//
//   Channel<Job> jobs(100);             // shared by all, and outliving them
//   co_await jobs.send(job);            // on one loop
//   while (auto job = co_await jobs.receive()) co_await work(*job);   // on others
//
// Between tasks of one loop Queue is cheaper.

#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <clearway/task/queue.hpp>
#include <clearway/task/task.hpp>
#include <clearway/task/waiter.hpp>

namespace clearway {

namespace detail {

// A waiter whose waker may be on another thread. The list that it is in is guarded by a mutex of
// its owner.
class CrossWaiter : public Waiter, public ListNode<CrossWaiter> {
 public:
  explicit CrossWaiter(std::mutex& mutex) : mutex_(mutex), loop_(Loop::current()) {}

  // With the mutex held: takes the waiter off its list and has its loop resume it.
  void wake_from_anywhere();

 protected:
  ~CrossWaiter();
  // One that was woken goes on, although cancelled: what it was woken for must not be lost.
  void stop() noexcept override;

  std::mutex& mutex_;

 private:
  Loop& loop_;
  std::shared_ptr<Mailbox> mailbox_ = loop_.mailbox();
};

}  // namespace detail

template <class T>
class Channel {
 public:
  // At most `capacity` items wait in it, at least one.
  explicit Channel(std::size_t capacity) noexcept : capacity_(std::max<std::size_t>(capacity, 1)) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Waits while the channel is full. Throws QueueClosed, also to those that wait when it is closed.
  // Cancelled while it waits: nothing was sent.
  Task<> send(T item) {
    for (;;) {
      const Step step = co_await Attempt<T>(*this, &item);
      if (step == Step::closed) throw QueueClosed();
      if (step == Step::done) co_return;
    }
  }
  // Waits while the channel is empty. After close() gives what is left in it, then nullopt for
  // ever. Cancelled while it waits: nothing was taken.
  Task<std::optional<T>> receive() {
    std::optional<T> item;
    for (;;) {
      const Step step = co_await Attempt<std::optional<T>>(*this, &item);
      if (step != Step::again) co_return item;
    }
  }

  // The same at once or not at all; on any thread, also one without a loop. False leaves `item` as
  // it was: the channel is full or closed.
  [[nodiscard]] bool try_send(T& item) {
    const std::lock_guard lock(mutex_);
    return attempt_locked(item) == Step::done;
  }
  [[nodiscard]] std::optional<T> try_receive() {
    const std::lock_guard lock(mutex_);
    std::optional<T> item;
    attempt_locked(item);
    return item;
  }

  // Idempotent; on any thread.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    while (!senders_.empty()) senders_.front().wake_from_anywhere();
    while (!receivers_.empty()) receivers_.front().wake_from_anywhere();
  }

 private:
  enum class Step { done, closed, again };

  // From `item`, or into it.
  Step attempt_locked(T& item) {
    if (closed_) return Step::closed;
    if (items_.size() >= capacity_) return Step::again;
    items_.push_back(std::move(item));
    if (!receivers_.empty()) receivers_.front().wake_from_anywhere();
    return Step::done;
  }
  Step attempt_locked(std::optional<T>& item) {
    if (items_.empty()) return closed_ ? Step::closed : Step::again;
    item.emplace(std::move(items_.front()));
    items_.pop_front();
    if (!senders_.empty()) senders_.front().wake_from_anywhere();
    return Step::done;
  }
  // Who waits to do that.
  List<detail::CrossWaiter>& waiting_for(const T&) noexcept { return senders_; }
  List<detail::CrossWaiter>& waiting_for(const std::optional<T>&) noexcept { return receivers_; }

  // One that was woken and is cancelled before it has looked lets others look.
  void pass_on() {
    const std::lock_guard lock(mutex_);
    if (!items_.empty() && !receivers_.empty()) receivers_.front().wake_from_anywhere();
    if (items_.size() < capacity_ && !senders_.empty()) senders_.front().wake_from_anywhere();
  }

  template <class Item>
  class Awaiter;

  // One look at the channel, which waits when there is nothing to do; then one looks again.
  template <class Item>
  class [[nodiscard("co_await it")]] Attempt {
   public:
    Attempt(Channel& channel, Item* item) noexcept : channel_(channel), item_(item) {}
    Awaiter<Item> operator co_await() const { return Awaiter<Item>(channel_, *item_); }

   private:
    Channel& channel_;
    Item* item_;
  };

  const std::size_t capacity_;
  std::mutex mutex_;
  bool closed_ = false;
  std::deque<T> items_;
  List<detail::CrossWaiter> senders_;
  List<detail::CrossWaiter> receivers_;
};

template <class T>
template <class Item>
class Channel<T>::Awaiter final : public detail::CrossWaiter {
 public:
  Awaiter(Channel& channel, Item& item)
      : CrossWaiter(channel.mutex_), channel_(channel), item_(item) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    if (!begin(handle.promise())) {
      channel_.pass_on();
      return true;
    }
    const std::lock_guard lock(mutex_);
    step_ = channel_.attempt_locked(item_);
    if (step_ != Step::again) return !done_at_once();
    channel_.waiting_for(item_).push_back(*this);
    return true;
  }
  Step await_resume() const {
    throw_if_cancelled();
    return step_;
  }

 private:
  Channel& channel_;
  Item& item_;
  Step step_ = Step::again;
};

}  // namespace clearway
