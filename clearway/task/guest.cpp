#include <clearway/task/guest.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <clearway/base/error.hpp>
#include <clearway/loop/uring_driver.hpp>
#include <clearway/task/background_group.hpp>

namespace clearway {

class Guest::State final : public Completion {
 public:
  State(OwnedFrame<void> frame, std::unique_ptr<Driver> driver)
      : loop(std::move(driver)), group(scope), frame_(std::move(frame)) {
    PromiseBase& promise = frame_.promise();
    promise.parent = ParentLink(*this);
    promise.scope = &scope;
    loop.main_frame = &promise;
    loop.root_scope = &scope;
    const LoopRecord::Busy busy(loop.record(), loop.now());
    if (start_inline(promise)) end();
  }

  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { loop.main_frame = loop.root_scope = nullptr; }

  [[nodiscard]] bool done() const noexcept { return ended_ && !group.has_children(); }

  void take() {
    if (!done()) throw UsageError("the guest's task has not ended: take() is for after done()");
    if (!frame_.promise().ended_cancelled()) frame_.promise().take();
    if (group.first_error() != nullptr) std::rethrow_exception(group.first_error());
  }

  Loop loop;
  CancelScope scope;
  detail::BackgroundGroup group;

 private:
  void end() noexcept {
    ended_ = true;
    group.begin_draining();
  }
  PromiseBase* finished(PromiseBase&) noexcept override {
    end();
    if (!group.has_children()) loop.stop();
    return nullptr;
  }
  [[nodiscard]] PromiseBase* waiting_frame() const noexcept override { return nullptr; }

  OwnedFrame<void> frame_;
  bool ended_ = false;
};

namespace {

// The host is not woken by the rings that other loops have: it gets one that tells it.
std::unique_ptr<Driver> make_driver_for_host() {
  auto driver = make_default_driver();
  if (driver->pollable() < 0) driver = std::make_unique<UringDriver>(UringRung::cooperative);
  return driver;
}

}  // namespace

Guest::Guest(Task<> task) : Guest(Task<>(task.release()), make_driver_for_host()) {}

Guest::Guest(Task<> task, std::unique_ptr<Driver> driver) {
  OwnedFrame<void> frame = task.release();
  if (driver->pollable() < 0) {
    throw UsageError(fmt::format(
        "the {} driver has no descriptor that a host could wait for: run() its loop instead",
        driver->name()));
  }
  state_ = std::make_unique<State>(std::move(frame), std::move(driver));
}

Guest::~Guest() {
  state_->scope.cancel();
  constexpr int most_failures = 1000;
  for (int failures = 0; !done() && failures < most_failures;) {
    try {
      state_->loop.run();
    } catch (const std::exception&) {  // of a posted function; nobody is left to be told
      ++failures;
    }
  }
}

int Guest::descriptor() const noexcept { return state_->loop.driver().pollable(); }

Duration Guest::wait_at_most() {
  if (done()) return Duration::zero();
  const Instant until = state_->loop.park();
  if (until == never) return Duration::max();
  if (until == Instant::min()) return Duration::zero();
  return std::max(Duration::zero(), Duration(until - state_->loop.now()));
}

int Guest::milliseconds() {
  const Duration length = wait_at_most();
  if (length == Duration::max()) return -1;
  constexpr std::int64_t longest = 1'000'000;
  return static_cast<int>(
      std::min(std::chrono::ceil<std::chrono::milliseconds>(length).count(), longest));
}

void Guest::run_ready(Duration budget) {
  const Instant end = after(state_->loop.now(), budget);
  do {
    state_->loop.turn(false);
  } while (!done() && state_->loop.park() == Instant::min() && state_->loop.now() < end);
}

void Guest::cancel() { state_->scope.cancel(); }
bool Guest::done() const noexcept { return state_->done(); }
void Guest::take() { state_->take(); }
Loop& Guest::loop() noexcept { return state_->loop; }

}  // namespace clearway
