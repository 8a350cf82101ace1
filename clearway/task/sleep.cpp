#include <clearway/task/sleep.hpp>

namespace clearway {

namespace detail {

void SleepAwaiter::suspend(PromiseBase& frame) {
  if (!begin(frame)) return;
  if (deadline_ == Instant::min()) {
    wake();
  } else {
    Loop::current().timers().set(*this, deadline_);
  }
}

void SleepAwaiter::stop() noexcept {
  if (deadline_ != Instant::min()) Loop::current().timers().cancel(*this);
  wake_cancelled();
}

}  // namespace detail

Sleep sleep(Duration length) {
  if (length <= Duration::zero()) return yield();
  return Sleep(after(Loop::current().now(), length));
}

Sleep sleep_until(Instant deadline) {
  return deadline <= Loop::current().now() ? yield() : Sleep(deadline);
}

Sleep yield() noexcept { return Sleep(Instant::min()); }

Instant loop_time() { return Loop::current().now(); }

}  // namespace clearway
