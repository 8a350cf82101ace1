#pragma once

// Runs a test of tasks in many simulated worlds and once on each driver of the real one.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>

#include <gtest/gtest.h>
#include <clearway/base/error.hpp>
#include <clearway/base/frame_memory.hpp>
#include <clearway/loop/epoll_driver.hpp>
#include <clearway/loop/uring_driver.hpp>
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

// A driver on io_uring; null where the kernel has none for us, which is said once.
inline std::unique_ptr<Driver> make_uring() {
  static bool refused = false;
  if (refused) return nullptr;
  try {
    return std::make_unique<UringDriver>();
  } catch (const SystemError& error) {
    refused = true;
    std::printf("[   NOTE   ] tested without io_uring: %s\n", error.what());
    return nullptr;
  }
}

// Runs `test` on epoll, and on io_uring where there is one.
inline void on_real_drivers(const std::function<Task<>()>& test) {
  {
    SCOPED_TRACE("epoll");
    run(test(), std::make_unique<EpollDriver>());
  }
  if (::testing::Test::HasFailure()) return;
  if (auto driver = make_uring()) {
    SCOPED_TRACE("io_uring");
    run(test(), std::move(driver));
  }
}

// Waits of a few milliseconds at most: on the real drivers they take real time.
inline void on_both_drivers(const std::function<Task<>()>& test, std::uint64_t seeds = 20) {
  sim::run_seeds(seeds, test);
  const std::ptrdiff_t before = frame_memory::live_blocks();
  on_real_drivers(test);
  EXPECT_EQ(frame_memory::live_blocks(), before) << "frames left over on a real driver";
}

}  // namespace clearway::tests
