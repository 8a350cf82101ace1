#pragma once

// Tools for tests of asynchronous code: simulated runs over many seeds, and cancellation
// exhaustion. They throw clearway::Error with the seed in the message, so any test framework will
// do; an EXPECT_... of GoogleTest that fails in a world ends run_seeds() and exhaust_cancellation()
// so.

#include <cstdint>
#include <functional>
#include <optional>

#include <clearway/loop/simulated_driver.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/timeout.hpp>

namespace clearway::sim {

// Runs `task` in a simulated world of its own; afterwards no frame, timer or handle may be left
// over.
void run(SimulationOptions options, const std::function<Task<>()>& test);
// The same once per seed, from 1 to `seeds`. The seeds start elsewhere with CLEARWAY_SEED=n, and
// there are as many as CLEARWAY_SEEDS says, if that is set.
void run_seeds(std::uint64_t seeds, const std::function<Task<>()>& test);

// One run of an exhaustion test, see exhaust_cancellation().
class Stage {
 public:
  // Awaits `operation` in the scope that is cancelled. Gives its result, nullopt when it was
  // cancelled. At most once per test.
  template <Awaitable A>
  auto run(A operation) {
    return Running<await_result_t<A>>(detail::take_frame(operation), *this);
  }

 private:
  template <class T>
  class Awaiter;
  template <class T>
  class Running;
  friend class Exhaustion;

  CancelScope* scope_ = nullptr;
  bool entered_ = false;
};

template <class T>
class Stage::Awaiter final : public detail::ScopedAwaiter<T, CancelScope> {
 public:
  Awaiter(OwnedFrame<T> frame, Stage& stage)
      : detail::ScopedAwaiter<T, CancelScope>(std::move(frame)), stage_(stage) {}
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    this->scope_.enter(parent.promise().scope);
    stage_.scope_ = &this->scope_;
    stage_.entered_ = true;
    return this->start(parent.promise());
  }
  std::optional<detail::Unvoid<T>> await_resume() {
    stage_.scope_ = nullptr;
    return this->take_unless_absorbed();
  }

 private:
  Stage& stage_;
};

template <class T>
class Stage::Running {
 public:
  Running(OwnedFrame<T> frame, Stage& stage) noexcept : frame_(std::move(frame)), stage_(stage) {}
  Awaiter<T> operator co_await() && { return Awaiter<T>(std::move(frame_), stage_); }

 private:
  OwnedFrame<T> frame_;
  Stage& stage_;
};

// Runs `test` again and again, each time in a new simulated world: first undisturbed, then with
// what it gives to stage.run() cancelled at its 1st, 2nd, … last suspension, whether in the
// operation itself or in a child of it. What `test` does before and after stage.run() is not
// disturbed: there it can check that what had arrived is still there. After each run no frame,
// handle or timer may be left over. Repeated for each of `seeds` seeds. Gives the number of runs.
std::size_t exhaust_cancellation(const std::function<Task<>(Stage&)>& test,
                                 std::uint64_t seeds = 5);

}  // namespace clearway::sim
