#include <clearway/task/every.hpp>

#include <clearway/base/error.hpp>

namespace clearway::detail {

void require_period(Duration period) {
  if (period <= Duration::zero()) throw UsageError("every() needs a period above zero");
}

Instant next_tick(Instant last, Duration period) {
  const Duration since = loop_time() - last;
  return after(last, period * (since / period + 1));
}

}  // namespace clearway::detail
