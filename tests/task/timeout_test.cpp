// timeout, move_on_after, shielded, as_result, finally, task-local values and every.

#include <stdexcept>
#include <string>
#include <vector>

#include <clearway/base/error.hpp>
#include <clearway/base/log.hpp>
#include <clearway/task/every.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/local.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/task_group.hpp>
#include <clearway/task/timeout.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using sim::exhaust_cancellation;
using sim::Stage;
using tests::on_both_drivers;

Task<> forever() { co_await sleep(std::chrono::hours(1000)); }
Task<int> soon(int value) {
  co_await sleep(1ms);
  co_return value;
}

TEST(Timeout, GivesTheResultOrThrows) {
  on_both_drivers([]() -> Task<> {
    EXPECT_EQ(co_await timeout(1h, soon(3)), 3);
    EXPECT_THROW(co_await timeout(1ms, forever()), TimedOut);
    EXPECT_THROW(co_await timeout(0ms, forever()), TimedOut);
    EXPECT_THROW(co_await timeout(-1ms, sleep(1ms)), TimedOut);
    const auto ready = []() -> Task<int> { co_return 4; };
    EXPECT_EQ(co_await timeout(0ms, ready()), 4);
  });
}

TEST(Timeout, TheNearerOfTwoDeadlinesFires) {
  sim::run_seeds(20, []() -> Task<> {
    const Instant start = loop_time();
    EXPECT_THROW(co_await timeout(1s, timeout(1h, forever())), TimedOut);
    EXPECT_EQ(loop_time() - start, 1s);
    const auto inner = []() -> Task<std::string> {
      const auto outcome = co_await as_result(timeout(1s, forever()));
      co_return outcome ? "done" : "inner";
    };
    EXPECT_EQ(co_await timeout(1h, inner()), "inner");
  });
}

TEST(Timeout, TimeLeftIsThatOfTheNearestDeadline) {
  sim::run_seeds(5, []() -> Task<> {
    EXPECT_EQ(time_left(), Duration::max());
    const auto look = []() -> Task<Duration> {
      co_await sleep(1s);
      co_return time_left();
    };
    EXPECT_EQ(co_await timeout(3s, look()), 2s);
    EXPECT_EQ(co_await timeout(3s, timeout(10s, look())), 2s);
    EXPECT_EQ(co_await timeout(3s, shielded(look())), Duration::max());
  });
}

TEST(MoveOnAfter, GivesNothingWhenTheTimeIsUp) {
  on_both_drivers([]() -> Task<> {
    const auto late = co_await move_on_after(1ms, forever());
    EXPECT_FALSE(late.has_value());
    const auto early = co_await move_on_after(1h, soon(5));
    EXPECT_EQ(early.value_or(0), 5);
  });
}

TEST(Shielded, RunsToItsEndAndTheCancellationArrivesAfterwards) {
  on_both_drivers([]() -> Task<> {
    std::vector<int> steps;
    const auto body = [&]() -> Task<> {
      steps.push_back(co_await shielded(soon(1)));
      co_await yield();
      steps.push_back(2);
    };
    const auto outcome = co_await move_on_after(0ms, body());
    EXPECT_FALSE(outcome.has_value());
    EXPECT_EQ(steps.size(), 1U);
  });
}

TEST(AsResult, HoldsErrorsAndNeverACancellation) {
  on_both_drivers([]() -> Task<> {
    const auto fails = []() -> Task<int> {
      co_await yield();
      throw Error("no such city");
    };
    const auto failed = co_await as_result(fails());
    EXPECT_EQ(failed.message(), "no such city");
    auto fine = co_await as_result(soon(2));
    EXPECT_EQ(*fine, 2);
    bool swallowed = false;
    const auto body = [&]() -> Task<> {
      const auto result = co_await as_result(forever());
      swallowed = result.has_value() || !result.has_value();
    };
    const auto outcome = co_await move_on_after(1ms, body());
    EXPECT_FALSE(outcome.has_value());
    EXPECT_FALSE(swallowed);
  });
}

TEST(Finally, CleansUpWhateverHappened) {
  on_both_drivers([]() -> Task<> {
    int cleaned = 0;
    const auto cleanup = [&]() -> Task<> {
      co_await sleep(1ms);
      ++cleaned;
    };
    const auto fails = []() -> Task<> {
      co_await yield();
      throw std::runtime_error("body");
    };
    EXPECT_EQ(co_await finally(soon(9), cleanup), 9);
    EXPECT_THROW(co_await finally(fails(), cleanup), std::runtime_error);
    const auto outcome = co_await move_on_after(1ms, finally(forever(), cleanup));
    EXPECT_FALSE(outcome.has_value());
    EXPECT_EQ(cleaned, 3);
  });
}

TEST(Finally, CancellationExhaustionAlwaysCleansUp) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    int cleaned = 0;
    const auto cleanup = [&]() -> Task<> {
      co_await sleep(1ms);
      co_await yield();
      ++cleaned;
    };
    co_await stage.run(finally(timeout(5ms, soon(1)), cleanup));
    EXPECT_EQ(cleaned, 1);
  });
}

// A loop that swallows its cancellation is wrong, but must not keep the others from running.
TEST(Cancellation, SwallowedThousandsOfTimesDoesNotStarveTheLoop) {
  log::set_level(log::Level::error);
  on_both_drivers(
      []() -> Task<> {
        int swallowed = 0;
        int others = 0;
        const auto swallow = [&]() -> Task<> {
          while (swallowed < 5'000) {
            try {
              co_await forever();
            } catch (const Cancelled&) {
              ++swallowed;
            }
          }
        };
        const auto other = [&]() -> Task<> {
          while (swallowed < 5'000) {
            ++others;
            co_await yield();
          }
        };
        co_await gather(move_on_after(0ms, swallow()), other());
        EXPECT_GT(others, 1000);
      },
      1);
  log::set_level(log::Level::warning);
}

const TaskLocal<std::string> request_id("request id");

TEST(TaskLocal, IsInheritedByEverythingStartedInside) {
  on_both_drivers([]() -> Task<> {
    EXPECT_EQ(request_id.get(), nullptr);
    const auto read = []() -> Task<std::string> {
      co_await yield();
      co_return request_id.get() == nullptr ? "none" : *request_id.get();
    };
    const auto nested = [&]() -> Task<> {
      const auto both = co_await gather(with_value(request_id, "inner", read()), read());
      EXPECT_EQ(std::get<0>(both), "inner");
      EXPECT_EQ(std::get<1>(both), "outer");
      co_await task_group([&](TaskGroup& group) -> Task<> {
        const auto child = group.start(read);
        EXPECT_EQ(co_await child, "outer");
      });
    };
    co_await with_value(request_id, "outer", nested());
    EXPECT_EQ(co_await read(), "none");
  });
}

TEST(Every, DoesNotDriftAndLeavesOutWhatItMissed) {
  sim::run_seeds(20, []() -> Task<> {
    const Instant start = loop_time();
    std::vector<Duration> times;
    const auto tick = [&]() -> Task<> {
      times.push_back(loop_time() - start);
      co_await sleep(times.size() == 2 ? 25ms : 3ms);
    };
    const auto ended = co_await move_on_after(55ms, every(10ms, tick));
    EXPECT_FALSE(ended.has_value());
    const std::vector<Duration> expected{0ms, 10ms, 40ms, 50ms};
    EXPECT_EQ(times, expected);
  });
}

TEST(Every, TakesPlainFunctionsAndRefusesAPeriodOfZero) {
  on_both_drivers([]() -> Task<> {
    int count = 0;
    const auto plain = [&] { ++count; };
    co_await move_on_after(3ms, every(1ms, plain));
    EXPECT_GE(count, 1);
    count = 0;
    EXPECT_THROW(co_await every(0ms, plain), UsageError);
    EXPECT_THROW(co_await every(-1ms, plain), UsageError);
    EXPECT_EQ(count, 0) << "it ran before it refused";
  });
}

}  // namespace
}  // namespace clearway
