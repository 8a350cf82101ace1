#include <clearway/task/timeout.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace clearway {

namespace detail {

void throw_timed_out(Duration length) {
  const double seconds = std::chrono::duration<double>(length).count();
  throw TimedOut(fmt::format("timed out after {} s", seconds));
}

}  // namespace detail

Duration time_left() {
  const PromiseBase* frame = running_frame();
  if (frame == nullptr || frame->scope == nullptr) return Duration::max();
  const Instant deadline = frame->scope->deadline();
  if (deadline == never) return Duration::max();
  return std::max(deadline - Loop::current().now(), Duration::zero());
}

}  // namespace clearway
