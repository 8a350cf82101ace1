#pragma once
// Programs that measure one metric per run, in a fresh process, and print {"metric", "best",
// "median"}: nanoseconds per operation or bytes, null where they have nothing of the kind.
//
// Nanoseconds are of slices of a few milliseconds. A core of a virtual machine is at its full speed
// only while the other half of the real one rests: the best slice is what the code costs then, the
// median what it costs on this machine today. And no slice is so long that Clearway's watchdog
// takes the loop for blocked, and explains so, on the same core.

#include <algorithm>
#include <bench/support/clock.hpp>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace bench {

struct Figures {
  double best;
  double median;
};

// `measure(count)` gives nanoseconds per operation.
template <class Measure>
Figures in_slices(int slices, long count, Measure measure) {
  std::vector<double> values;
  for (int slice = 0; slice < slices; ++slice) values.push_back(measure(count));
  std::sort(values.begin(), values.end());
  return {.best = values.front(), .median = values[values.size() / 2]};
}

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
  Figures bytes_per(long things) const {
    const double bytes =
        static_cast<double>(resident_bytes() - before_) / static_cast<double>(things);
    return {.best = bytes, .median = bytes};
  }

 private:
  std::int64_t before_ = resident_bytes();
};

inline void report(std::string_view metric, const Figures& figures) {
  std::printf("{\"metric\": \"%.*s\", \"best\": %.3f, \"median\": %.3f}\n",
              static_cast<int>(metric.size()), metric.data(), figures.best, figures.median);
}
inline void report(std::string_view metric, double value) { report(metric, {value, value}); }
inline void report_nothing(std::string_view metric) {
  std::printf("{\"metric\": \"%.*s\", \"best\": null, \"median\": null}\n",
              static_cast<int>(metric.size()), metric.data());
}

[[noreturn]] inline void unknown_metric(const char* known) {
  std::fprintf(stderr, "metrics: %s\n", known);
  std::exit(2);
}

}  // namespace bench
