// How many threads to_thread() makes, and when they end.

#include <atomic>
#include <latch>
#include <ranges>
#include <vector>

#include <clearway/base/error.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/to_thread.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;

std::size_t threads() { return Loop::current().service<detail::ThreadPool>().threads(); }

// Jobs that all wait for one gate.
struct Blocked {
  std::atomic<int> begun = 0;
  std::atomic<int> most = 0;
  std::atomic<int> inside = 0;
  std::latch gate{1};

  void block() {
    ++begun;
    const int now = ++inside;
    int before = most;
    while (before < now && !most.compare_exchange_weak(before, now)) continue;
    gate.wait();
    --inside;
  }
};

// Gives way to the threads until `condition` holds.
template <class Condition>
Task<> until(Condition& condition) {
  const auto poll = [&]() -> Task<> {
    while (!condition()) co_await sleep(1ms);
  };
  co_await timeout(20s, poll());
}

Task<> block_many(Blocked& blocked, int count, int at_once) {
  const auto range = std::views::iota(0, count);
  const auto job = [&](int) { return to_thread([&] { blocked.block(); }); };
  const auto release = [&]() -> Task<> {
    const auto all_begun = [&] { return blocked.begun == at_once; };
    co_await until(all_begun);
    EXPECT_EQ(threads(), static_cast<std::size_t>(at_once));
    blocked.gate.count_down();
  };
  co_await gather(gather(range, job), release());
  EXPECT_EQ(blocked.begun, count);
}

TEST(ThreadPool, GrowsWithTheJobsThatBlockAndIsUsedAgain) {
  run([]() -> Task<> {
    Blocked blocked;
    co_await block_many(blocked, 5, 5);
    for (int i = 0; i < 20; ++i) co_await to_thread([] {});
    EXPECT_EQ(threads(), 5U) << "idle threads take the next jobs";
  }());
}

TEST(ThreadPool, ShrinksWhenItIsIdle) {
  run([]() -> Task<> {
    set_thread_options({.idle = 2ms});
    Blocked blocked;
    co_await block_many(blocked, 4, 4);
    const auto none_left = [] { return threads() == 0; };
    co_await until(none_left);
    int seen = 0;
    co_await to_thread([&] { seen = 1; });  // a new one
    EXPECT_EQ(seen, 1);
  }());
}

TEST(ThreadPool, StaysWithinItsLimit) {
  run([]() -> Task<> {
    set_thread_options({.limit = 3});
    Blocked blocked;
    co_await block_many(blocked, 10, 3);
    EXPECT_EQ(blocked.most, 3);
    EXPECT_EQ(threads(), 3U);
  }());
}

TEST(ThreadPool, TheLimitIs512UnlessItIsSet) {
  run([]() -> Task<> {
    Blocked blocked;
    co_await block_many(blocked, 600, 512);
    EXPECT_EQ(threads(), 512U);
  }());
}

TEST(ThreadPool, RefusesToHaveNoThread) {
  run([]() -> Task<> {
    EXPECT_THROW(set_thread_options({.limit = 0}), UsageError);
    set_thread_options({.limit = 1, .idle = Duration::max()});
    int seen = 0;
    co_await to_thread([&] { seen = 1; });
    EXPECT_EQ(seen, 1);
  }());
  EXPECT_THROW(set_thread_options({}), UsageError) << "there is no loop";
}

}  // namespace
}  // namespace clearway
