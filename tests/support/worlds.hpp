#pragma once

// Runs a test of tasks in many simulated worlds and once on the real driver.

#include <chrono>
#include <cstdint>
#include <functional>

#include <gtest/gtest.h>
#include <clearway/base/frame_memory.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/simulate.hpp>

namespace clearway::tests {

// What a throwing expression threw, as text; "" when it did not.
template <class F>
std::string error_of(F&& function) {
  try {
    function();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

// True in a simulated world, where times are exact.
inline bool simulated() { return Loop::current().driver().simulated(); }

// Waits of a few milliseconds at most: on the real driver they take real time.
inline void on_both_drivers(const std::function<Task<>()>& test, std::uint64_t seeds = 20) {
  sim::run_seeds(seeds, test);
  const std::ptrdiff_t before = frame_memory::live_blocks();
  run(test());
  EXPECT_EQ(frame_memory::live_blocks(), before) << "frames left over on the real driver";
}

}  // namespace clearway::tests
