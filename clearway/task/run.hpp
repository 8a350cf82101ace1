#pragma once

// From a plain function into tasks.

#include <memory>
#include <optional>

#include <clearway/loop/driver.hpp>
#include <clearway/task/task_group.hpp>

namespace clearway {

namespace detail {

// The root of a task tree: runs one frame on a loop until it and the background work have ended.
class Root final : public Completion {
 public:
  Root() noexcept = default;
  // The outcome is in the frame's promise, what the background work threw included. Throws what a
  // posted function or the loop itself threw first, when all has been cancelled and awaited. A loop
  // that fails again and again is given up in the end: then the frame has not finished, and must be
  // destroyed before the loop is.
  void drive(Loop& loop, PromiseBase& frame);

  PromiseBase* finished(PromiseBase& child) noexcept override;
  [[nodiscard]] PromiseBase* waiting_frame() const noexcept override { return nullptr; }
  [[nodiscard]] CancelScope& scope() noexcept { return scope_; }

 private:
  CancelScope scope_;
};

// What run_main() runs a frame on; it outlives the frame.
class MainRun {
 public:
  // Runs `frame` with Ctrl-C and SIGTERM cancelling it; prints an uncaught error with its await
  // chain. Gives the exit status.
  int drive(PromiseBase& frame);

 private:
  std::optional<Loop> loop_;
};

}  // namespace detail

// Runs `task` on a new loop of this thread and gives its result; throws its error. Throws
// UsageError when this thread already runs a loop.
template <class T>
T run(Task<T> task, std::unique_ptr<Driver> driver) {
  Loop loop(std::move(driver));
  OwnedFrame<T> frame = task.release();
  detail::Root root;
  root.drive(loop, frame.promise());
  return frame.promise().take();
}
template <class T>
T run(Task<T> task) {
  return run(Task<T>(task.release()), make_default_driver());
}

// The body of main(): `int main() { return run_main(amain()); }`. Gives the task's int result, 0
// for Task<>; 1 after an uncaught error, which is printed with its await chain; 130 after Ctrl-C
// and 143 after SIGTERM, which cancel the task. A second Ctrl-C ends the process at once.
template <class T>
  requires(std::is_void_v<T> || std::is_same_v<T, int>)
int run_main(Task<T> task) {
  detail::MainRun main;
  OwnedFrame<T> frame = task.release();
  const int status = main.drive(frame.promise());
  if constexpr (std::is_same_v<T, int>) {
    if (status == 0) return frame.promise().value();
  }
  return status;
}

// The group for work that outlives the task that starts it: it belongs to the run, and is cancelled
// and awaited when the main task has ended. An error in it cancels the other background work and is
// thrown by run() if the main task has none. What such work refers to has to outlive the run.
TaskGroup& background();

}  // namespace clearway
