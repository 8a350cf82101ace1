#pragma once
// What is compared of fibers: functions on stacks of their own.
//
//   child   awaiting a child task, for comparison
//   enter   running a function on a fiber that exists or is made for it, to its end
//   await   the same, where the function awaits something that is ready
//   switch  one of ten fibers giving way to the next
//   bytes   resident memory of one more fiber that waits

#include <bench/support/metric.hpp>

namespace bench {

constexpr const char* fiber_metrics = "child enter await switch bytes";

// Of one slice.
struct FiberCounts {
  int slices = 50;
  long child = 200'000;
  long enter = 100'000;
  long await = 50'000;
  long switches = 100'000;
  long fibers = 20'000;
};

}  // namespace bench
