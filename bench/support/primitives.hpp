#pragma once
// The primitives that are compared. A program measures one metric per run, in a fresh process, and
// prints {"metric", "value"}: nanoseconds per operation, or bytes.
//
//   await       awaiting a child that returns without suspending
//   spawn_join  starting a child as a task of its own and waiting for its end
//   switch      one task giving way to another (two tasks, sleep(0) or its like)
//   timer       one of a million timers set and then cancelled
//   task_bytes  resident memory of one more task that waits for something

#include <bench/support/clock.hpp>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace bench {

struct Counts {
  long await = 20'000'000;
  long spawn_join = 2'000'000;
  long switches = 5'000'000;
  long timers = 1'000'000;
  long tasks = 1'000'000;
};

class Stopwatch {
 public:
  double nanoseconds_per(long operations) const {
    return static_cast<double>(wall_nanoseconds() - began_) / static_cast<double>(operations);
  }

 private:
  std::int64_t began_ = wall_nanoseconds();
};

class MemoryGrowth {
 public:
  double bytes_per(long things) const {
    return static_cast<double>(resident_bytes() - before_) / static_cast<double>(things);
  }

 private:
  std::int64_t before_ = resident_bytes();
};

inline void report(std::string_view metric, double value) {
  std::printf("{\"metric\": \"%.*s\", \"value\": %.3f}\n", static_cast<int>(metric.size()),
              metric.data(), value);
}

[[noreturn]] inline void unknown_metric() {
  std::fputs("metrics: await spawn_join switch timer task_bytes\n", stderr);
  std::exit(2);
}

}  // namespace bench
