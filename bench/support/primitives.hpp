#pragma once
// The primitives that are compared.
//
//   await       awaiting a child that returns without suspending
//   spawn_join  starting a child as a task of its own and waiting for its end
//   switch      one task giving way to another (two tasks, sleep(0) or its like)
//   timer       one of a million timers set and then cancelled
//   task_bytes  resident memory of one more task that waits for something

#include <bench/support/metric.hpp>

namespace bench {

constexpr const char* primitive_metrics = "await spawn_join switch timer task_bytes";

// Of one slice.
struct Counts {
  int slices = 50;
  long await = 200'000;
  long spawn_join = 30'000;
  long switches = 100'000;
  int timer_slices = 4;
  long timers = 1'000'000;
  long tasks = 1'000'000;
};

}  // namespace bench
