// task_group: children that are started while others run, and never outlive their block.

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <clearway/base/error.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using sim::exhaust_cancellation;
using sim::Stage;
using tests::on_both_drivers;

Task<int> later(int value, Duration delay) {
  co_await sleep(delay);
  co_return value;
}
Task<> add_later(int& sum, int value) {
  co_await yield();
  sum += value;
}
Task<> fail_later(std::string message) {
  co_await yield();
  throw Error(message);
}
Task<> forever() { co_await sleep(std::chrono::hours(1000)); }

// Would be a mistake where nobody keeps the argument.
Task<std::size_t> length_later(const std::string& text) {
  co_await yield();
  co_return text.size();
}

// One that counts where it is.
struct Counted {
  explicit Counted(int& alive) : alive(&alive) { ++alive; }
  Counted(const Counted& other) : alive(other.alive) { ++*alive; }
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*alive; }
  int* alive;
};

TEST(TaskGroup, KeepsWhatTheParametersReferTo) {
  on_both_drivers([]() -> Task<> {
    int alive = 0;
    co_await task_group([&](TaskGroup& group) -> Task<> {
      const auto length = group.start(length_later, std::string(100, 'x'));
      const auto by_lambda = group.start(
          [](const std::string& text, const Counted& counted) -> Task<int> {
            co_await yield();
            EXPECT_EQ(text, std::string(50, 'y'));
            co_return *counted.alive;
          },
          std::string(50, 'y'), Counted(alive));
      const std::size_t first = co_await length;
      EXPECT_EQ(first, 100U);
      const int second = co_await by_lambda;
      EXPECT_EQ(second, 1);
    });
    EXPECT_EQ(alive, 0);
  });
}

TEST(TaskGroup, JoinsItsChildren) {
  on_both_drivers([]() -> Task<> {
    int sum = 0;
    co_await task_group([&](TaskGroup& group) -> Task<> {
      for (int i = 1; i <= 10; ++i) group.start(add_later, std::ref(sum), i);
      EXPECT_EQ(sum, 0);  // children begin in the next round
      EXPECT_EQ(group.running(), 10U);
      co_return;
    });
    EXPECT_EQ(sum, 55);
  });
}

TEST(TaskGroup, GivesTheResultOfItsBody) {
  on_both_drivers([]() -> Task<> {
    const int result = co_await task_group([](TaskGroup& group) -> Task<int> {
      const auto handle = group.start(later, 20, 1ms);
      co_return 1 + co_await handle;
    });
    EXPECT_EQ(result, 21);
  });
}

TEST(TaskGroup, HandlesGiveResultsAgainAndAgain) {
  on_both_drivers([]() -> Task<> {
    co_await task_group([](TaskGroup& group) -> Task<> {
      auto handle = group.start(later, 7, 1ms);
      const auto copy = handle;
      EXPECT_FALSE(handle.ended());
      EXPECT_EQ(co_await handle, 7);
      EXPECT_TRUE(handle.ended());
      EXPECT_EQ(co_await copy, 7);
      handle = group.start(later, 8, 1ms);
      EXPECT_EQ(co_await handle, 8);
      EXPECT_EQ(co_await copy, 7);
    });
  });
}

TEST(TaskGroup, HandlesOutliveTheGroup) {
  on_both_drivers([]() -> Task<> {
    std::optional<TaskHandle<int>> kept;
    std::optional<TaskHandle<>> cancelled;
    co_await task_group([&](TaskGroup& group) -> Task<> {
      kept.emplace(group.start(later, 7, 1ms));
      cancelled.emplace(group.start(forever));
      cancelled->cancel();
      co_return;
    });
    EXPECT_EQ(co_await *kept, 7);
    kept->cancel();
    cancelled->cancel();
    cancelled->set_name("late name");
    bool refused = false;
    try {
      co_await *cancelled;
    } catch (const UsageError&) {
      refused = true;
    }
    EXPECT_TRUE(refused);
  });
}

TEST(TaskGroup, CancelsOneChildThroughItsHandle) {
  on_both_drivers([]() -> Task<> {
    int sum = 0;
    co_await task_group([&](TaskGroup& group) -> Task<> {
      const auto endless = group.start(forever);
      const auto unbegun = group.start(forever);
      unbegun.cancel();
      group.start(add_later, std::ref(sum), 5);
      co_await yield();
      endless.cancel();
    });
    EXPECT_EQ(sum, 5);
  });
}

TEST(TaskGroup, CancelEndsBodyAndChildrenWithoutAnError) {
  on_both_drivers([]() -> Task<> {
    bool after = false;
    co_await task_group([&](TaskGroup& group) -> Task<> {
      group.start(forever);
      co_await yield();
      group.cancel();
      co_await yield();
      after = true;
    });
    EXPECT_FALSE(after);
  });
}

TEST(TaskGroup, FirstErrorCancelsTheOthersAndTheRestAreAttached) {
  on_both_drivers([]() -> Task<> {
    std::string message;
    std::size_t attached = 0;
    const auto fail_when_cancelled = []() -> Task<> {
      try {
        co_await forever();
      } catch (const Cancelled&) {
        throw Error("cleanup failed");
      }
    };
    try {
      co_await task_group([&](TaskGroup& group) -> Task<> {
        group.start(fail_when_cancelled);
        group.start(forever);
        co_await yield();
        co_await yield();
        group.start(fail_later, std::string("first"));
        co_await forever();
      });
    } catch (const Error& error) {
      message = error.what();
      attached = error.attached().size();
    }
    EXPECT_EQ(message, "first");
    EXPECT_EQ(attached, 1U);
  });
}

TEST(TaskGroup, AnErrorOfTheBodyCancelsTheChildren) {
  on_both_drivers([]() -> Task<> {
    EXPECT_THROW(co_await task_group([](TaskGroup& group) -> Task<> {
                   group.start(forever);
                   co_await yield();
                   throw std::runtime_error("body");
                 }),
                 std::runtime_error);
  });
}

TEST(TaskGroup, APlainBodyThatThrowsAfterStartingChildren) {
  on_both_drivers([]() -> Task<> {
    int sum = 0;
    const auto body = [&](TaskGroup& group) -> Task<> {
      group.start(add_later, std::ref(sum), 1);
      if (group.running() == 1) throw std::runtime_error("no task to give");
      return forever();
    };
    EXPECT_THROW(co_await task_group(body), std::runtime_error);
    co_await yield();
    co_await yield();
  });
}

TEST(TaskGroup, CancelledFromOutsideItDoesNotPretendToHaveFinished) {
  on_both_drivers([]() -> Task<> {
    const auto workers = []() -> Task<std::string> {
      co_await task_group([](TaskGroup& group) -> Task<> {
        group.start(forever);
        co_return;
      });
      co_return "all done";
    };
    EXPECT_THROW(co_await timeout(1ms, workers()), TimedOut);
  });
}

TEST(TaskGroup, Nests) {
  on_both_drivers([]() -> Task<> {
    int sum = 0;
    co_await task_group([&](TaskGroup& outer) -> Task<> {
      const auto inner_group = [&]() -> Task<> {
        co_await task_group([&](TaskGroup& inner) -> Task<> {
          for (int i = 0; i < 5; ++i) inner.start(add_later, std::ref(sum), 1);
          co_await yield();
          outer.start(add_later, std::ref(sum), 100);
        });
      };
      outer.start(inner_group);
      outer.start(inner_group);
      co_return;
    });
    EXPECT_EQ(sum, 210);
  });
}

TEST(TaskGroup, KeepsTheCapturesOfAStartedLambda) {
  on_both_drivers([]() -> Task<> {
    std::vector<std::string> seen;
    co_await task_group([&](TaskGroup& group) -> Task<> {
      for (int i = 0; i < 3; ++i) {
        const std::string label = "a label longer than fifteen characters " + std::to_string(i);
        auto job = [&seen, label]() -> Task<> {
          co_await yield();
          seen.push_back(label);
        };
        group.start(std::move(job));
      }
      co_return;
    });
    EXPECT_EQ(seen.size(), 3U);
    for (const std::string& label : seen) EXPECT_EQ(label.size(), 40U);
  });
}

TEST(TaskGroup, StartsAwaitablesThatAreNoTasks) {
  on_both_drivers([]() -> Task<> {
    Event event;
    co_await task_group([&](TaskGroup& group) -> Task<> {
      group.start([&event] { return event.wait(); });
      group.start([] { return sleep(1ms); });
      co_await yield();
      event.set();
    });
  });
}

TEST(TaskGroup, ACallableThatThrowsInStartLeavesTheGroupAsItWas) {
  on_both_drivers([]() -> Task<> {
    co_await task_group([](TaskGroup& group) -> Task<> {
      const auto broken = [](int) -> Task<> { throw std::runtime_error("no task"); };
      EXPECT_THROW(group.start(broken, 1), std::runtime_error);
      EXPECT_EQ(group.running(), 0U);
      co_return;
    });
  });
}

TEST(TaskGroup, StartFromAnotherThreadIsAUsageError) {
  run([]() -> Task<> {
    co_await task_group([](TaskGroup& group) -> Task<> {
      std::string message;
      std::thread([&] { message = tests::error_of([&] { group.start(forever); }); }).join();
      EXPECT_NE(message.find("loop"), std::string::npos) << message;
      EXPECT_EQ(group.running(), 0U);
      co_return;
    });
  }());
}

TEST(TaskGroup, AwaitingAnEndedChildIsACheckpoint) {
  on_both_drivers([]() -> Task<> {
    // Outside the body: its locals are gone when the last children run.
    std::optional<TaskHandle<int>> ended;
    const auto spin = [&]() -> Task<> {
      for (;;) co_await *ended;
    };
    co_await task_group([&](TaskGroup& group) -> Task<> {
      ended.emplace(group.start(later, 1, Duration(0)));
      EXPECT_EQ(co_await *ended, 1);
      const auto spinner = group.start(spin);
      co_await yield();
      co_await yield();
      spinner.cancel();
    });
  });
}

TEST(TaskGroup, CancellationExhaustion) {
  const std::size_t runs = exhaust_cancellation([](Stage& stage) -> Task<> {
    int sum = 0;
    co_await stage.run(task_group([&](TaskGroup& group) -> Task<> {
      const auto first = group.start(later, 3, 1ms);
      group.start(add_later, std::ref(sum), 2);
      sum += co_await first;
      const auto second = group.start(later, 4, 2ms);
      co_await sleep(1ms);
      second.cancel();
      co_await yield();
    }));
  });
  EXPECT_GT(runs, 25U);
}

}  // namespace
}  // namespace clearway
