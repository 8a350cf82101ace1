#pragma once
// What is compared of fibers: functions on stacks of their own. A program measures one metric per
// run, in a fresh process, and prints {"metric", "value"}: nanoseconds per operation, or bytes; no
// value where it has nothing of the kind.
//
//   child   awaiting a child task, for comparison
//   enter   running a function on a fiber that exists or is made for it, to its end
//   await   the same, where the function awaits something that is ready
//   switch  one of ten fibers giving way to the next
//   bytes   resident memory of one more fiber that waits

#include <bench/support/clock.hpp>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace bench {

struct FiberCounts {
  long child = 5'000'000;
  long enter = 5'000'000;
  long await = 5'000'000;
  long switches = 5'000'000;
  long fibers = 20'000;
};

// Nanoseconds per round of `operation(count)`.
template <class Operation>
double nanoseconds_of(long count, Operation operation) {
  const std::int64_t began = wall_nanoseconds();
  operation(count);
  return static_cast<double>(wall_nanoseconds() - began) / static_cast<double>(count);
}

inline void report_fibers(std::string_view metric, double value) {
  std::printf("{\"metric\": \"%.*s\", \"value\": %.3f}\n", static_cast<int>(metric.size()),
              metric.data(), value);
}
inline void report_nothing(std::string_view metric) {
  std::printf("{\"metric\": \"%.*s\", \"value\": null}\n", static_cast<int>(metric.size()),
              metric.data());
}

[[noreturn]] inline void unknown_fiber_metric() {
  std::fputs("metrics: child enter await switch bytes\n", stderr);
  std::exit(2);
}

}  // namespace bench
