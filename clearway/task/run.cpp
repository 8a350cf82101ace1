#include <clearway/task/run.hpp>

#include <cstdio>

#include <clearway/base/error.hpp>
#include <clearway/loop/signal_wake.hpp>
#include <clearway/task/trace.hpp>

#include <csignal>

namespace clearway {
namespace {

// The background group of the run of this thread.
thread_local TaskGroup* background_group = nullptr;

class BackgroundGroup final : public TaskGroup {
 public:
  // Cancels the children and runs the loop until they have ended.
  void drain(Loop& loop) {
    cancel();
    draining_ = true;
    if (has_children()) loop.run();
  }

 private:
  void emptied() noexcept override {
    if (draining_) Loop::current().stop();
  }
  bool draining_ = false;
};

// What background() gives while it lives.
class AsBackground {
 public:
  explicit AsBackground(TaskGroup& group) noexcept { background_group = &group; }
  AsBackground(const AsBackground&) = delete;
  AsBackground& operator=(const AsBackground&) = delete;
  ~AsBackground() { background_group = nullptr; }
};

}  // namespace

TaskGroup& background() {
  if (background_group == nullptr) {
    throw UsageError("background() belongs to a run: call it from a task");
  }
  return *background_group;
}

namespace detail {

PromiseBase* Root::finished(PromiseBase& child) noexcept {
  (void)child;
  Loop::current().stop();
  return nullptr;
}

void Root::drive(Loop& loop, PromiseBase& frame) {
  BackgroundGroup group;
  group.open_root(scope_);
  const AsBackground current(group);
  frame.parent = ParentLink(*this);
  frame.scope = &scope_;
  if (!start_inline(frame)) {
    try {
      loop.run();
    } catch (const std::exception&) {  // of a posted function, or of the loop itself
      scope_.cancel();
      while (!frame.handle().done()) loop.run();
      group.drain(loop);
      throw;
    }
  }
  group.drain(loop);
  if (frame.error == nullptr && group.first_error() != nullptr) frame.error = group.first_error();
}

int run_as_main(PromiseBase& frame) {
  int signal = 0;
  try {
    Loop loop(make_default_driver());
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
