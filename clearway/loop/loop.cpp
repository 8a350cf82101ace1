#include <clearway/loop/loop.hpp>

#include <utility>

#include <time.h>
#include <clearway/base/error.hpp>

namespace clearway {

constinit thread_local Loop* Loop::current_ = nullptr;

Loop::Loop(std::unique_ptr<Driver> driver)
    : driver_(std::move(driver)),
      timers_(driver_->simulated() ? TimerQueue::Mode::exact : TimerQueue::Mode::wheel,
              driver_->now()),
      mailbox_(std::make_shared<Mailbox>(*driver_)) {
  if (current_ != nullptr) {
    throw UsageError(
        "this thread already runs a loop: await the task instead of calling run() inside it");
  }
  current_ = this;
  record_.simulated = driver_->simulated();
  enlist(record_, *this);
}

Loop::~Loop() {
  delist(record_);
  while (!services_.empty()) services_.pop_back();
  mailbox_->close();
  current_ = nullptr;
}

Loop& Loop::current() {
  if (current_ == nullptr) {
    throw UsageError(
        "no loop runs on this thread: call this from a task, or start one with run() or "
        "run_main()");
  }
  return *current_;
}

void Loop::run_ready() {
  budget_ = turn_budget;
  turn_over_ = false;
  for (int count = 0; count < turn_budget && !queue_.empty() && !stopped_; ++count) {
    if (turn_over_) break;
    record_.callbacks.store(count, std::memory_order_relaxed);
    queue_.pop().run();
  }
}

// In simulation the seed decides which of the ready nodes runs next.
void Loop::run_ready_shuffled() {
  budget_ = turn_budget;
  turn_over_ = false;
  for (int count = 0; count < turn_budget && !stopped_ && !turn_over_; ++count) {
    while (!queue_.empty()) shuffled_.push_back(&queue_.pop());
    if (shuffled_.empty()) break;
    const std::size_t pick = driver_->random() % shuffled_.size();
    Ready* chosen = std::exchange(shuffled_[pick], shuffled_.back());
    shuffled_.pop_back();
    chosen->run();
  }
}

// Where no timer makes the turn read the clock, one that is a few milliseconds late and costs next
// to nothing is good enough for those who look on.
Instant Loop::turn_time() noexcept {
  if (timers_.size() > 0 || driver_->simulated()) return driver_->now();
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

void Loop::turn(bool may_wait) {
  {
    const Instant now = turn_time();
    const LoopRecord::Busy busy(record_, now);
    if (timers_.size() > 0) timers_.expire(now);
    mailbox_->deliver();
    if (driver_->simulated()) {
      run_ready_shuffled();
    } else {
      run_ready();
    }
  }
  if (stopped_) return;
  if (!may_wait || !queue_.empty() || !shuffled_.empty() || mailbox_->full()) {
    driver_->wait(Instant::min());
    return;
  }
  const Instant deadline = timers_.next();
  if (deadline == never && driver_->stuck()) {
    throw UsageError(
        "the simulation is stuck: every task waits, no timer is set and no message is on its way");
  }
  driver_->wait(deadline);
}

Instant Loop::park() {
  if (!queue_.empty() || !shuffled_.empty() || mailbox_->full()) return Instant::min();
  const Instant until = driver_->park(timers_.next());
  return mailbox_->full() ? Instant::min() : until;
}

void Loop::run() {
  stopped_ = false;
  while (!stopped_) turn(true);
  stopped_ = false;  // turns that the owner makes by hand afterwards are whole ones
}

}  // namespace clearway
