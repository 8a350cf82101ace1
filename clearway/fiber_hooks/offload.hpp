#pragma once

// Calls that wait inside libc, where no hook reaches: on a fiber they are made in a thread.

#include <memory>
#include <new>
#include <utility>

#include <clearway/fiber_hooks/hook.hpp>

namespace clearway::hooks {

// A call with everything it needs and gives: `state` has operator(), and outlives both the fiber
// that waits and the thread.
template <class State>
class CallInThread final : public OffloadJob {
 public:
  explicit CallInThread(State&& state) : state(std::move(state)) {}
  void run() noexcept override {
    state();
    code = errno;
  }
  State state;
  int code = 0;  // errno, there
};

// What came of it; null: it has not been made, and `error` says why.
template <class State>
std::shared_ptr<CallInThread<State>> call_in_thread(State state, bool abandonable, int& error) {
  try {
    auto job = std::make_shared<CallInThread<State>>(std::move(state));
    error = -host().offload(job, abandonable);
    if (error != 0) return nullptr;
    errno = job->code;
    return job;
  } catch (const std::bad_alloc&) {
    error = ENOMEM;
    return nullptr;
  }
}

}  // namespace clearway::hooks
