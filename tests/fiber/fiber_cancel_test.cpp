// Fibers that are cancelled, refused memory, or run out of stack.

#include <cstdlib>
#include <thread>

#include <sys/resource.h>
#include <clearway/base/error.hpp>
#include <clearway/fiber/fiber.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <clearway/task/with_scope.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;

Task<int> later(int value) {
  co_await sleep(std::chrono::milliseconds(value));
  co_return value;
}

TEST(FiberCancel, ReachesWhatItAwaits) {
  tests::on_both_drivers([]() -> Task<> {
    bool unwound = false;
    const auto body = [&] {
      struct Mark {
        bool& unwound;
        ~Mark() { unwound = true; }
      } mark{unwound};
      return fiber::await(later(1'000'000));
    };
    const auto result = co_await move_on_after(2ms, fiber::run(body));
    EXPECT_FALSE(result.has_value());
    EXPECT_TRUE(unwound);
  });
}

TEST(FiberCancel, LeavesAFinishedResultAlone) {
  sim::run({}, []() -> Task<> {
    const auto body = [](CancelScope& scope) {
      const int value = fiber::await(later(1));
      scope.cancel();
      return value;
    };
    const auto outcome =
        co_await with_scope([&](CancelScope& scope) { return fiber::run(body, std::ref(scope)); });
    EXPECT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome.value_or(0), 1);
  });
}

TEST(FiberCancel, AShieldedAwaitGoesOn) {
  sim::run({}, []() -> Task<> {
    int cleaned = 0;
    const auto body = [&] {
      try {
        static_cast<void>(fiber::await(later(1000)));
      } catch (const Cancelled&) {
        cleaned = fiber::await(shielded(later(5)));
        throw;
      }
    };
    const auto outcome = co_await move_on_after(2ms, fiber::run(body));
    EXPECT_FALSE(outcome.has_value());
    EXPECT_EQ(cleaned, 5);
  });
}

TEST(FiberCancel, Exhaustion) {
  const std::size_t runs = sim::exhaust_cancellation([](sim::Stage& stage) -> Task<> {
    Semaphore semaphore(2);
    int inside = 0;
    const auto body = [&](int number) {
      const auto permit = fiber::await(semaphore.acquire());
      ++inside;
      try {
        static_cast<void>(fiber::await(later(number)));
      } catch (const Cancelled&) {
        --inside;
        throw;
      }
      --inside;
      return number;
    };
    const auto on_fiber = [&](int number) { return fiber::run(body, number); };
    const auto range = std::views::iota(1, 6);
    const auto results = co_await stage.run(gather(range, on_fiber));
    EXPECT_EQ(results.has_value() ? results->size() : 5U, 5U);
    EXPECT_EQ(inside, 0);
    const auto again = co_await semaphore.acquire();
  });
  EXPECT_GT(runs, 50U);
  const auto counts = detail::fiber_counts();
  EXPECT_EQ(counts.idle, counts.made);
}

TEST(FiberFailure, EachAllocationFailsOnce) {
  for (std::size_t number = 1; number < 200; ++number) {
    bool finished = false;
    bool refused = false;
    const auto program = [&]() -> Task<> {
      const auto body = [](int value) { return std::to_string(fiber::await(later(value))); };
      const auto on_fiber = [&](int value) { return fiber::run(body, value); };
      const auto range = std::views::iota(1, 9);
      const auto texts = co_await gather(range, on_fiber);
      finished = texts.size() == 8;
    };
    const std::ptrdiff_t before = frame_memory::live_blocks();
    std::thread thread([&] {  // whose pool of fibers is empty
      const std::ptrdiff_t live = frame_memory::live_blocks();
      Loop loop(std::make_unique<SimulatedDriver>());
      frame_memory::fail_after(number);
      try {
        OwnedFrame<void> frame = program().release();
        detail::Root root;
        root.drive(loop, frame.promise());
        refused = frame.promise().error != nullptr;
      } catch (const std::bad_alloc&) {
        refused = true;
      }
      frame_memory::fail_after(0);
      EXPECT_EQ(frame_memory::live_blocks(), live) << "at allocation " << number;
    });
    thread.join();
    EXPECT_EQ(frame_memory::live_blocks(), before);
    EXPECT_NE(finished, refused) << "at allocation " << number;
    if (finished) {
      EXPECT_GT(number, 16U);
      return;
    }
  }
  FAIL() << "it never finished";
}

#if !defined(CLEARWAY_ASAN) && !defined(CLEARWAY_TSAN)
void run_out_of_address_space() {
  rlimit limit;
  limit.rlim_cur = limit.rlim_max = 2UL << 30;
  ::setrlimit(RLIMIT_AS, &limit);
  const auto many = []() -> Task<> {
    Event event;
    const auto body = [&] { fiber::await(event.wait()); };
    const auto on_fiber = [&](int) { return fiber::run(body); };
    const auto range = std::views::iota(0, 100'000);
    co_await gather(range, on_fiber);
  };
  std::fputs(tests::error_of([&] { run(many(), std::make_unique<SimulatedDriver>()); }).c_str(),
             stderr);
  std::_Exit(0);
}

// Where address space ends, the error names the limits to look at.
TEST(FiberFailureDeathTest, NamesTheLimit) {
  EXPECT_EXIT(run_out_of_address_space(), ::testing::ExitedWithCode(0),
              "ulimit -v.*vm.max_map_count");
}
#endif

int recurse(volatile char* above, int depth) {
  volatile char room[1024];
  room[0] = above == nullptr ? 'a' : above[0];
  return depth == 0 ? room[0] : recurse(room, depth - 1) + room[0];
}

TEST(FiberOverflowDeathTest, SaysWhereTheFiberWasStarted) {
  const auto overflow = [] {
    sim::run({}, []() -> Task<> {
      static_cast<void>(co_await fiber::run(recurse, nullptr, 1'000'000));
    });
  };
  EXPECT_DEATH(overflow(),
               "stack overflow: a fiber has used up the 240 KiB(.|\n)*"
               "fiber_cancel_test.cpp:");
}

// What a fiber's stack is for: most of it can be used.
TEST(FiberOverflowDeathTest, MostOfTheStackCanBeUsed) {
  sim::run({}, []() -> Task<> { EXPECT_GT(co_await fiber::run(recurse, nullptr, 100), 0); });
}

// A group whose loop has failed destroys its children where they wait.
TEST(FiberCancel, AnAbandonedFiberComesToItsEnd) {
  bool unwound = false;
  const auto fails = [&] {
    Loop loop(std::make_unique<SimulatedDriver>());
    const auto body = [&] {
      struct Mark {
        bool& unwound;
        ~Mark() { unwound = true; }
      } mark{unwound};
      static_cast<void>(fiber::await(later(1000)));
    };
    const auto task = [&]() -> Task<> { co_await fiber::run(body); };
    OwnedFrame<void> frame = task().release();
    CancelScope scope;
    frame.promise().scope = &scope;
    EXPECT_FALSE(start_inline(frame.promise()));
    EXPECT_FALSE(unwound);
    frame.destroy();
  };
  fails();
  EXPECT_TRUE(unwound);
}

}  // namespace
}  // namespace clearway
