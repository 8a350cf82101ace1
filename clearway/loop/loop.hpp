#pragma once

// The event loop: a ready queue, timers and a driver. One per thread; nothing migrates.
//
// A turn fires the timers that are due, runs ready nodes (at most `budget`, so that a busy task
// cannot keep the sockets waiting), and lets the driver wait or poll.

#include <concepts>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <clearway/loop/driver.hpp>
#include <clearway/loop/loop_record.hpp>
#include <clearway/loop/mailbox.hpp>
#include <clearway/loop/ready.hpp>
#include <clearway/loop/timer.hpp>

namespace clearway {

// Something that a loop owns one of: a resolver, a thread pool.
class LoopService {
 public:
  LoopService() noexcept = default;
  LoopService(const LoopService&) = delete;
  LoopService& operator=(const LoopService&) = delete;
  virtual ~LoopService() = default;
};

class Loop {
 public:
  // Becomes the thread's current loop until destroyed; throws UsageError when there is one already.
  explicit Loop(std::unique_ptr<Driver> driver);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  // The loop of this thread; throws UsageError off any loop.
  static Loop& current();
  [[nodiscard]] static Loop* current_or_null() noexcept { return current_; }

  [[nodiscard]] Driver& driver() noexcept { return *driver_; }
  [[nodiscard]] TimerQueue& timers() noexcept { return timers_; }

  // Reads the clock: exact, about 20 ns on a real driver.
  [[nodiscard]] Instant now() noexcept { return driver_->now(); }

  void ready(Ready& node) noexcept { queue_.push(node); }

  // Runs `function` on this loop, soon. From any thread, while the loop exists; a thread that may
  // outlive it keeps the mailbox instead.
  void post(UniqueFunction<void()> function) { mailbox_->post(std::move(function)); }
  [[nodiscard]] std::shared_ptr<Mailbox> mailbox() const noexcept { return mailbox_; }

  // The one S of this loop: made from the loop on first use, destroyed with it, the latest first.
  template <std::derived_from<LoopService> S>
  S& service() {
    static constexpr char key = 0;
    for (auto& [known, service] : services_) {
      if (known == &key) return static_cast<S&>(*service);
    }
    services_.emplace_back(&key, std::make_unique<S>(*this));
    return static_cast<S&>(*services_.back().second);
  }

  // Turns until stop() is called. Throws UsageError in simulation when nothing can happen any more.
  void run();
  void stop() noexcept { stopped_ = true; }
  // For an owner that makes the turns by hand and waits on the driver's pollable() in between:
  // until when it may wait; Instant::min() when there is something to do.
  Instant park();
  // One turn; waits for events only when `may_wait` and nothing is ready.
  void turn(bool may_wait);

  // An operation that completed without waiting calls this; false means that its task has had its
  // share of the turn and must go through the ready queue.
  [[nodiscard]] bool spend_budget() noexcept { return --budget_ > 0; }

  // No ready node is begun in this turn any more: timers and sockets come first. For nodes that may
  // take long, where a count of them says little.
  void end_turn() noexcept { turn_over_ = true; }

  // Observers of tests, see task/probe.hpp.
  class SuspensionHook {
   public:
    // `frame` is the suspended frame, as `running` below.
    virtual void suspended(void* frame) = 0;

   protected:
    ~SuspensionHook() = default;
  };
  void set_suspension_hook(SuspensionHook* hook) noexcept { hook_ = hook; }
  [[nodiscard]] SuspensionHook* suspension_hook() const noexcept { return hook_; }

  // What is known of this loop from outside its thread.
  [[nodiscard]] LoopRecord& record() noexcept { return record_; }

  // The frame that is being resumed, as task/promise.hpp knows it; null between tasks.
  void* running = nullptr;
  // For inspectors: the frame that the run on this loop began with, and its scope.
  void* main_frame = nullptr;
  void* root_scope = nullptr;

 private:
  friend struct inspect::Layout;
  static constexpr int turn_budget = 256;

  void run_ready();
  void run_ready_shuffled();
  [[nodiscard]] Instant turn_time() noexcept;

  static constinit thread_local Loop* current_;

  std::unique_ptr<Driver> driver_;
  TimerQueue timers_;
  ReadyQueue queue_;
  int budget_ = turn_budget;
  bool stopped_ = false;
  bool turn_over_ = false;
  SuspensionHook* hook_ = nullptr;
  std::vector<Ready*> shuffled_;

  std::shared_ptr<Mailbox> mailbox_;
  std::vector<std::pair<const void*, std::unique_ptr<LoopService>>> services_;
  LoopRecord record_;
};

}  // namespace clearway
