#pragma once

#include <clearway/task/sleep.hpp>
#include <clearway/task/timeout.hpp>

namespace clearway {

namespace detail {

// Throws UsageError for a period that is not positive.
void require_period(Duration period);
Instant next_tick(Instant last, Duration period);

template <class F>
Task<> every_frame(Duration period, F function) {
  require_period(period);
  Instant tick = loop_time();
  for (;;) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      std::invoke(function);
    } else {
      co_await std::invoke(function);
    }
    tick = next_tick(tick, period);
    co_await sleep_until(tick);
  }
}

}  // namespace detail

// Runs `function()`, a plain one or one that gives a task, now and every `period` after that, until
// cancelled or until it throws. The times do not drift: they are multiples of the period from the
// first. When a run takes longer than the period, the times that it missed are left out. A period
// that is not positive is a UsageError, before anything has run.
template <class F>
Task<> every(Duration period, F&& function) {
  check_dialect<F>();
  return detail::every_frame<std::decay_t<F>>(period, std::forward<F>(function));
}

}  // namespace clearway
