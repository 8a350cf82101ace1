#include <clearway/loop/loop.hpp>

#include <utility>

#include <clearway/base/error.hpp>

namespace clearway {

constinit thread_local Loop* Loop::current_ = nullptr;

Loop::Loop(std::unique_ptr<Driver> driver)
    : driver_(std::move(driver)),
      timers_(driver_->simulated() ? TimerQueue::Mode::exact : TimerQueue::Mode::wheel,
              driver_->now()) {
  if (current_ != nullptr) {
    throw UsageError(
        "this thread already runs a loop: await the task instead of calling run() inside it");
  }
  current_ = this;
}

Loop::~Loop() { current_ = nullptr; }

Loop& Loop::current() {
  if (current_ == nullptr) {
    throw UsageError(
        "no loop runs on this thread: call this from a task, or start one with run() or "
        "run_main()");
  }
  return *current_;
}

void Loop::post(UniqueFunction<void()> function) {
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(function));
    has_posted_.store(true, std::memory_order_release);
  }
  driver_->wake();
}

void Loop::run_posted() {
  std::vector<UniqueFunction<void()>> batch;
  {
    const std::lock_guard lock(posted_mutex_);
    batch.swap(posted_);
    has_posted_.store(false, std::memory_order_relaxed);
  }
  for (auto& function : batch) function();
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
  if (has_posted_.load(std::memory_order_acquire)) run_posted();
  if (driver_->simulated()) {
    run_ready_shuffled();
  } else {
    run_ready();
  }
  if (stopped_) return;
  if (!may_wait || !queue_.empty() || !shuffled_.empty() ||
      has_posted_.load(std::memory_order_acquire)) {
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

void Loop::run() {
  stopped_ = false;
  while (!stopped_) turn(true);
}

}  // namespace clearway
