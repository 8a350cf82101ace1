#include <clearway/task/run.hpp>

#include <cstdio>

#include <clearway/base/error.hpp>
#include <clearway/loop/signal_wake.hpp>
#include <clearway/task/background_group.hpp>
#include <clearway/task/trace.hpp>

#include <csignal>

namespace clearway {
namespace {

// Runs a loop through its failures, of which the first counts.
class Persistent {
 public:
  explicit Persistent(Loop& loop) noexcept : loop_(loop) {}

  // Turns until `done()` holds. After a failure `give_up()` is told, once, and the loop goes on, so
  // that everything can end in order. False: it has failed too often to ever come to an end.
  template <class Done, class GiveUp>
  bool run_until(Done done, GiveUp give_up) {
    while (!done()) {
      if (failures_ > most_failures) return false;
      try {
        loop_.run();
      } catch (...) {  // thrown again by throw_failure()
        if (failures_++ == 0) failure_ = std::current_exception();
        give_up();
      }
    }
    return true;
  }
  void throw_failure() const {
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

 private:
  static constexpr int most_failures = 1000;
  Loop& loop_;
  int failures_ = 0;
  std::exception_ptr failure_;
};

// Shows inspectors where the tasks of a run begin.
class Inspected {
 public:
  Inspected(Loop& loop, PromiseBase& frame, CancelScope& scope) noexcept : loop_(loop) {
    loop.main_frame = &frame;
    loop.root_scope = &scope;
  }
  Inspected(const Inspected&) = delete;
  Inspected& operator=(const Inspected&) = delete;
  ~Inspected() { loop_.main_frame = loop_.root_scope = nullptr; }

 private:
  Loop& loop_;
};

// Up to its first wait, which counts as a turn.
bool begin(Loop& loop, PromiseBase& frame) {
  const LoopRecord::Busy busy(loop.record(), loop.now());
  return start_inline(frame);
}

}  // namespace

namespace detail {

PromiseBase* Root::finished(PromiseBase& child) noexcept {
  (void)child;
  Loop::current().stop();
  return nullptr;
}

void Root::drive(Loop& loop, PromiseBase& frame) {
  BackgroundGroup group(scope_);
  frame.parent = ParentLink(*this);
  frame.scope = &scope_;
  const Inspected inspected(loop, frame, scope_);
  Persistent persistent(loop);
  if (!begin(loop, frame)) {
    persistent.run_until([&] { return frame.handle().done(); }, [&] { scope_.cancel(); });
  }
  group.begin_draining();
  persistent.run_until([&] { return !group.has_children(); }, [] {});
  persistent.throw_failure();
  if (frame.error == nullptr && group.first_error() != nullptr) frame.error = group.first_error();
}

int MainRun::drive(PromiseBase& frame) {
  int signal = 0;
  try {
    Loop& loop = loop_.emplace(make_default_driver());
    Root root;
    SignalWatch watch(loop, {SIGINT, SIGTERM}, [&](int number) {
      signal = number;
      root.scope().cancel();
    });
    root.drive(loop, frame);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  if (frame.error == nullptr) return 0;
  if (frame.ended_cancelled() && signal != 0) return 128 + signal;
  const std::string text =
      frame.ended_cancelled() ? "cancelled, but nobody asked for it" : describe(frame.error);
  std::fprintf(stderr, "error: %s\n%s", text.c_str(), to_string(last_error_trace()).c_str());
  return 1;
}

}  // namespace detail
}  // namespace clearway
