#pragma once

// One blocking call of a real library, made many times at once on the fibers of one thread, beside
// a task that ticks every 10 ms. Prints one line of JSON.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <sched.h>
#include <clearway/clearway.hpp>

namespace libraries {

using clearway::Duration;
using clearway::Instant;
using clearway::loop_time;
using clearway::Task;
using namespace std::chrono_literals;

struct Figures {
  Duration slowest{};
  Duration widest_gap{};
  int ticks = 0;
  int failures = 0;
  std::string first_failure;
};

inline double seconds(Duration length) { return std::chrono::duration<double>(length).count(); }

inline Task<> tick(Figures& figures) {
  Instant before = loop_time();
  for (;;) {
    co_await clearway::sleep(10ms);
    const Instant now = loop_time();
    figures.widest_gap = std::max(figures.widest_gap, now - before);
    ++figures.ticks;
    before = now;
  }
}

inline Task<> call_all(int count, std::function<void(int)> call, Figures& figures) {
  const auto body = [&](int number) {
    clearway::fiber::await(
        clearway::yield());  // all begin in the ready queue, as calls of a real program do
    const Instant start = loop_time();
    try {
      call(number);
    } catch (const std::exception& error) {
      if (figures.failures++ == 0) figures.first_failure = error.what();
    }
    figures.slowest = std::max(figures.slowest, loop_time() - start);
  };
  const auto on_fiber = [&](int number) { return clearway::fiber::run(body, number); };
  const auto range = std::views::iota(0, count);
  co_await clearway::gather(range, on_fiber);
}

inline Task<> measure(int count, std::function<void(int)> call) {
  Figures figures;
  const Instant start = loop_time();
  co_await clearway::race(tick(figures), call_all(count, std::move(call), figures));
  const Duration elapsed = loop_time() - start;
  fmt::print(
      "{{\"calls\": {}, \"elapsed\": {:.4f}, \"slowest\": {:.4f}, \"ticks\": {}, "
      "\"widest_gap\": {:.4f}, \"failures\": {}, \"first_failure\": \"{}\", \"driver\": \"{}\"}}\n",
      count, seconds(elapsed), seconds(figures.slowest), figures.ticks, seconds(figures.widest_gap),
      figures.failures, figures.first_failure, clearway::Loop::current().driver().name());
}

// The body of main(). `call` throws when the library says that it has failed.
inline int run_calls(int count, const std::function<void(int)>& call) {
  if (!clearway::fiber::hooks_in_force()) return 2;
  const auto amain = [&]() -> Task<> { co_await measure(count, call); };
  return clearway::run_main(amain());
}

// Ends a call that has gone wrong.
[[noreturn]] inline void fail(const std::string& what) { throw std::runtime_error(what); }

}  // namespace libraries
