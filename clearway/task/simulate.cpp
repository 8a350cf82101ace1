#include <clearway/task/simulate.hpp>

#include <cstdlib>

#include <fmt/format.h>
#include <clearway/base/error.hpp>
#include <clearway/task/trace.hpp>

// GoogleTest's, where the program has it.
extern bool google_test_failed() __asm__("_ZN7testing4Test18HasNonfatalFailureEv")
    __attribute__((weak));
extern bool google_test_failed_fatally() __asm__("_ZN7testing4Test15HasFatalFailureEv")
    __attribute__((weak));

namespace clearway::sim {

namespace {

// An expectation that fails throws nothing: which seed it was would remain unsaid.
bool expectation_failed() {
  return (google_test_failed != nullptr && google_test_failed()) ||
         (google_test_failed_fatally != nullptr && google_test_failed_fatally());
}

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Cancels the stage's scope at the n-th suspension inside it; through the ready queue, so that the
// operation is under way by then.
class CancelAt final : public Loop::SuspensionHook, public Ready {
 public:
  explicit CancelAt(std::size_t target) : target_(target) {}

  void watch(CancelScope*& scope) { scope_ = &scope; }
  void suspended(void* frame) override {
    const auto* suspended = static_cast<const PromiseBase*>(frame);
    for (const CancelScope* scope = suspended->scope; scope != nullptr; scope = scope->parent()) {
      if (scope != *scope_) continue;
      if (++count_ == target_) {
        queued_ = true;
        Loop::current().ready(*this);
      }
      return;
    }
  }
  [[nodiscard]] bool reached() const noexcept { return count_ >= target_; }
  [[nodiscard]] bool queued() const noexcept { return queued_; }

 private:
  void run() override {
    queued_ = false;
    if (*scope_ != nullptr) (*scope_)->cancel();
  }

  std::size_t target_;
  std::size_t count_ = 0;
  bool queued_ = false;
  CancelScope** scope_ = nullptr;
};

[[noreturn]] void fail(std::uint64_t seed, const std::string& where, const std::string& what) {
  throw Error(fmt::format("seed {}{}: {}", seed, where, what));
}

// One run in a world of its own; `where` goes into the message of a failure.
void run_world(const SimulationOptions& options, const std::string& where,
               const std::function<Task<>()>& test, CancelAt* cancel) {
  const std::ptrdiff_t blocks_before = frame_memory::live_blocks();
  std::string problem;
  {
    Loop loop(std::make_unique<SimulatedDriver>(options));
    loop.set_suspension_hook(cancel);
    OwnedFrame<void> frame;
    try {
      frame = test().release();
      detail::Root root;
      root.drive(loop, frame.promise());
      while (cancel != nullptr && cancel->queued()) loop.turn(false);
      if (frame.promise().error != nullptr) {
        problem = frame.promise().ended_cancelled()
                      ? "the test was cancelled"
                      : describe(frame.promise().error) + "\n" + to_string(last_error_trace());
      }
    } catch (const Error& error) {
      problem = error.what();
    }
    frame.destroy();
    // Sockets whose owners wait for operations that the driver ends late are closed by then.
    while (loop.driver().open_handles() > 0 && !loop.driver().stuck()) loop.driver().wait(never);
    if (problem.empty() && loop.timers().size() > 0) {
      problem = fmt::format("{} timers left over", loop.timers().size());
    }
    if (problem.empty() && loop.driver().open_handles() > 0) {
      problem = fmt::format("{} handles left open", loop.driver().open_handles());
    }
  }
  const std::ptrdiff_t left = frame_memory::live_blocks() - blocks_before;
  if (problem.empty() && left != 0) problem = fmt::format("{} frames left over", left);
  if (!problem.empty()) fail(options.seed, where, problem);
}

}  // namespace

class Exhaustion {
 public:
  // True when the operation ended before its n-th suspension.
  static bool run(const std::function<Task<>(Stage&)>& test, std::uint64_t seed, std::size_t n) {
    SimulationOptions options;
    options.seed = seed;
    Stage stage;
    CancelAt cancel(n);
    cancel.watch(stage.scope_);
    const std::string where =
        n == 0 ? ", undisturbed" : fmt::format(", cancelled at suspension {}", n);
    const bool failed_before = expectation_failed();
    run_world(options, where, [&] { return test(stage); }, &cancel);
    if (!failed_before && expectation_failed())
      fail(seed, where, "an expectation failed, see above");
    if (!stage.entered_) fail(seed, where, "the test did not call stage.run()");
    return n > 0 && !cancel.reached();
  }
};

void run(SimulationOptions options, const std::function<Task<>()>& test) {
  run_world(options, "", test, nullptr);
}

void run_seeds(std::uint64_t seeds, const std::function<Task<>()>& test) {
  const std::uint64_t first = from_environment("CLEARWAY_SEED", 1);
  const std::uint64_t count = from_environment("CLEARWAY_SEEDS", seeds);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SimulationOptions options;
    options.seed = seed;
    const bool failed_before = expectation_failed();
    run(options, test);
    if (failed_before || !expectation_failed()) continue;
    fail(
        seed, "",
        fmt::format("an expectation failed, see above (CLEARWAY_SEED={} CLEARWAY_SEEDS=1 runs this "
                    "seed alone)",
                    seed));
  }
}

std::size_t exhaust_cancellation(const std::function<Task<>(Stage&)>& test, std::uint64_t seeds) {
  constexpr std::size_t sanity = 100'000;
  std::size_t runs = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Exhaustion::run(test, seed, 0);
    for (std::size_t n = 1; !Exhaustion::run(test, seed, n); ++n, ++runs) {
      if (n > sanity) fail(seed, "", "the operation never ends: over 100,000 suspensions");
    }
    runs += 2;
  }
  return runs;
}

}  // namespace clearway::sim
