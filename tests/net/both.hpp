#pragma once

#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <clearway/net/connect.hpp>
#include <clearway/net/listener.hpp>
#include <clearway/net/resolve.hpp>
#include <clearway/net/stream.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/simulate.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/task_group.hpp>
#include <clearway/task/timeout.hpp>
#include <tests/support/worlds.hpp>

namespace net_tests {

// Runs a test over each real driver once, and in simulated worlds with many seeds.
inline void over_both(const std::function<clearway::Task<>()>& test, std::uint64_t seeds = 300) {
  clearway::tests::on_real_drivers(test);
  if (::testing::Test::HasFailure()) return;
  try {
    clearway::sim::run_seeds(seeds, test);
  } catch (const clearway::Error& error) {
    FAIL() << error.what();
  }
}

// Runs a test with its operation cancelled at each of its suspensions.
inline void exhaust(const std::function<clearway::Task<>(clearway::sim::Stage&)>& test,
                    std::uint64_t seeds = 50) {
  try {
    EXPECT_GT(clearway::sim::exhaust_cancellation(test, seeds), seeds);
  } catch (const clearway::Error& error) {
    FAIL() << error.what();
  }
}

// Two ends of a TCP connection over loopback, and the listener it came through.
struct Connected {
  clearway::Listener listener;
  clearway::Stream client;
  clearway::Stream server;
};

inline clearway::Task<Connected> connected() {
  Connected ends;
  ends.listener = clearway::listen("127.0.0.1", 0);
  ends.client = co_await clearway::connect(ends.listener.address());
  ends.server = co_await ends.listener.accept();
  co_return ends;
}

}  // namespace net_tests
