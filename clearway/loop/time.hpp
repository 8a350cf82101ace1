#pragma once

#include <chrono>
#include <cstdint>

namespace clearway {

using Duration = std::chrono::nanoseconds;

// The loop's own time line: CLOCK_MONOTONIC with the epoll driver, the virtual clock in simulation.
struct LoopClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  static constexpr bool is_steady = true;
};

using Instant = std::chrono::time_point<LoopClock, Duration>;

inline constexpr Instant never = Instant::max();

// `start` + `length`, saturating at `never`; a negative length is zero.
constexpr Instant after(Instant start, Duration length) noexcept {
  if (length <= Duration::zero()) return start;
  return length >= never - start ? never : start + length;
}

}  // namespace clearway
