#include <clearway/loop/loop.hpp>

#include <utility>

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
}

Loop::~Loop() {
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
  for (int count = 0; count < turn_budget && !queue_.empty() && !stopped_; ++count) {
    queue_.pop().run();
  }
}

// In simulation the seed decides which of the ready nodes runs next.
void Loop::run_ready_shuffled() {
  budget_ = turn_budget;
  for (int count = 0; count < turn_budget && !stopped_; ++count) {
    while (!queue_.empty()) shuffled_.push_back(&queue_.pop());
    if (shuffled_.empty()) break;
    const std::size_t pick = driver_->random() % shuffled_.size();
    Ready* chosen = std::exchange(shuffled_[pick], shuffled_.back());
    shuffled_.pop_back();
    chosen->run();
  }
}

void Loop::turn(bool may_wait) {
  if (timers_.size() > 0) timers_.expire(driver_->now());
  mailbox_->deliver();
  if (driver_->simulated()) {
    run_ready_shuffled();
  } else {
    run_ready();
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
