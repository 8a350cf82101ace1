// Functions on fibers: results, errors, cancellation, both directions of awaiting.

#include <clearway/fiber/fiber.hpp>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <clearway/task/gather.hpp>
#include <clearway/task/local.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/trace.hpp>
#include <clearway/task/with_scope.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;

Task<int> later(int value) {
  co_await sleep(std::chrono::milliseconds(value));
  co_return value;
}

int twice(int value) { return 2 * value; }
int wait_for(int value) { return fiber::await(later(value)); }
void fail() { throw std::runtime_error("it failed on the fiber"); }

TEST(Fiber, GivesResults) {
  tests::on_both_drivers([]() -> Task<> {
    EXPECT_EQ(co_await fiber::run(twice, 21), 42);
    EXPECT_EQ(co_await fiber::run(wait_for, 3), 3);
    std::string text;
    co_await fiber::run([&] { text = "done"; });
    EXPECT_EQ(text, "done");
    auto kept = std::make_unique<int>(7);
    const auto pass = [](std::unique_ptr<int> pointer) { return pointer; };
    const auto back = co_await fiber::run(pass, std::move(kept));
    EXPECT_EQ(*back, 7);
    int target = 1;
    const auto refer = [](int& value) { return ++value; };
    EXPECT_EQ(co_await fiber::run(refer, std::ref(target)), 2);
    EXPECT_EQ(target, 2);
  });
}

TEST(Fiber, PassesErrorsOn) {
  tests::on_both_drivers([]() -> Task<> {
    std::string message;
    try {
      co_await fiber::run(fail);
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    EXPECT_EQ(message, "it failed on the fiber");

    const auto awaits_what_fails = [] {
      const auto fails_later = []() -> Task<int> {
        co_await sleep(1ms);
        throw std::runtime_error("the task failed");
      };
      try {
        return std::to_string(fiber::await(fails_later()));
      } catch (const std::runtime_error& error) {
        return std::string(error.what());
      }
    };
    const std::string outcome = co_await fiber::run(awaits_what_fails);
    EXPECT_EQ(outcome, "the task failed");
  });
}

TEST(Fiber, ManyAtOnceTakeAsLongAsTheSlowest) {
  sim::run({}, []() -> Task<> {
    const Instant start = loop_time();
    const auto on_fiber = [](int number) { return fiber::run(wait_for, number); };
    const auto range = std::views::iota(1, 201);
    const auto results = co_await gather(range, on_fiber);
    EXPECT_EQ(results.size(), 200U);
    EXPECT_EQ(results[99], 100);
    EXPECT_EQ(loop_time() - start, 200ms);
  });
}

// Fibers and tasks in turns, one on the stack of the other.
int deep(int depth) {
  if (depth == 0) return 0;
  const auto task = [depth]() -> Task<int> {
    const int below = co_await fiber::run(deep, depth - 1);
    co_await yield();
    co_return below;
  };
  return 1 + fiber::await(task());
}

TEST(Fiber, Nests) {
  tests::on_both_drivers([]() -> Task<> { EXPECT_EQ(co_await fiber::run(deep, 30), 30); });
}

TEST(Fiber, AMillionReadyAwaitsDoNotDeepenTheStack) {
  sim::run({}, []() -> Task<> {
    const auto ready = []() -> Task<int> { co_return 1; };
    const auto body = [&] {
      int sum = 0;
      for (int count = 0; count < 1'000'000; ++count) sum += fiber::await(ready());
      return sum;
    };
    EXPECT_EQ(co_await fiber::run(body), 1'000'000);
    int sum = 0;
    for (int count = 0; count < 100'000; ++count) sum += co_await fiber::run(twice, 1);
    EXPECT_EQ(sum, 200'000);
  });
}

TEST(Fiber, AwaitOutsideFibersSaysWhereItBelongs) {
  EXPECT_THAT(tests::error_of([] { static_cast<void>(fiber::await(later(1))); }),
              ::testing::HasSubstr("outside fibers"));
  sim::run({}, []() -> Task<> {
    EXPECT_FALSE(fiber::on_fiber());
    EXPECT_THAT(tests::error_of([] { static_cast<void>(fiber::await(later(1))); }),
                ::testing::HasSubstr("on the loop itself"));
    // A task that a fiber awaits is a task, though its first part runs on the fiber's stack.
    const auto body = [] {
      EXPECT_TRUE(fiber::on_fiber());
      const auto task = []() -> Task<std::string> {
        EXPECT_FALSE(fiber::on_fiber());
        co_return tests::error_of([] { static_cast<void>(fiber::await(later(1))); });
      };
      return fiber::await(task());
    };
    const std::string message = co_await fiber::run(body);
    EXPECT_THAT(message, ::testing::HasSubstr("Write co_await"));
  });
}

TEST(Fiber, KeepsItsErrno) {
  sim::run({}, []() -> Task<> {
    const auto body = [](int number) {
      errno = number;
      static_cast<void>(fiber::await(later(number)));
      return errno;
    };
    auto [one, two] = co_await gather(fiber::run(body, 1), fiber::run(body, 2));
    EXPECT_EQ(one, 1);
    EXPECT_EQ(two, 2);
  });
}

// Without a swap of the runtime's exception lists the first to rethrow would throw the other's.
std::string rethrow_after_waiting(int number) {
  try {
    try {
      throw std::runtime_error(std::to_string(number));
    } catch (const std::exception&) {
      static_cast<void>(fiber::await(later(10 - number)));
      throw;
    }
  } catch (const std::exception& error) {
    return error.what();
  }
}

TEST(Fiber, RethrowsItsOwnException) {
  tests::on_both_drivers([]() -> Task<> {
    const auto range = std::views::iota(1, 6);
    const auto on_fiber = [](int number) { return fiber::run(rethrow_after_waiting, number); };
    const auto results = co_await gather(range, on_fiber);
    EXPECT_THAT(results, ::testing::ElementsAre("1", "2", "3", "4", "5"));
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  });
}

TEST(Fiber, SeesTaskLocalValues) {
  static const TaskLocal<int> number("number");
  sim::run({}, []() -> Task<> {
    const auto read = [] {
      static_cast<void>(fiber::await(later(1)));
      return *number.get();
    };
    EXPECT_EQ(co_await with_value(number, 5, fiber::run(read)), 5);
  });
}

TEST(Fiber, StandsInTheAwaitChain) {
  sim::run({}, []() -> Task<> {
    const auto body = [] {
      const auto innermost = []() -> Task<std::string> {
        co_return to_string(await_chain(*running_frame()));
      };
      return fiber::await(innermost());
    };
    const std::string chain = co_await fiber::run(body);
    EXPECT_THAT(chain, ::testing::HasSubstr("\"fiber\" at fiber_test.cpp:"));
    EXPECT_THAT(chain, ::testing::HasSubstr("TestBody"));
  });
}

TEST(Fiber, IsUsedAgain) {
  sim::run({}, []() -> Task<> {
    for (int count = 0; count < 100; ++count) co_await fiber::run(wait_for, 1);
  });
  const auto counts = detail::fiber_counts();
  EXPECT_EQ(counts.idle, counts.made);
}

TEST(Fiber, StaysOnItsThread) {
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int number = 0; number < 3; ++number) {
    threads.emplace_back([&] {
      sim::run({}, [&]() -> Task<> {
        const auto body = [&] {
          const auto before = std::this_thread::get_id();
          static_cast<void>(fiber::await(later(2)));
          right += before == std::this_thread::get_id();
        };
        co_await gather(fiber::run(body), fiber::run(body));
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 6);
}

TEST(FiberRunMain, GivesTheExitStatus) {
  EXPECT_EQ(fiber::run_main([] { return wait_for(3); }), 3);
  EXPECT_EQ(fiber::run_main([] {}), 0);
  EXPECT_EQ(fiber::run_main([] { fail(); }), 1);
}

TEST(Fiber, ManyWait) {
  sim::run({}, []() -> Task<> {
    constexpr int many = 20'000;
    Event event;
    int passed = 0;
    const auto body = [&](int) {
      fiber::await(event.wait());
      ++passed;
    };
    const auto on_fiber = [&](int number) { return fiber::run(body, number); };
    const auto set_later = [&]() -> Task<> {
      co_await sleep(1ms);
      EXPECT_EQ(passed, 0);
      event.set();
    };
    const auto range = std::views::iota(0, many);
    co_await gather(gather(range, on_fiber), set_later());
    EXPECT_EQ(passed, many);
  });
}

}  // namespace
}  // namespace clearway
