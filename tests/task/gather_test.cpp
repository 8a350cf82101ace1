// gather, as_completed and race.

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include <clearway/base/error.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/queue.hpp>
#include <clearway/task/race.hpp>
#include <clearway/task/sleep.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using sim::exhaust_cancellation;
using sim::Stage;
using tests::on_both_drivers;

Task<int> after_ms(int value) {
  co_await sleep(std::chrono::milliseconds(value));
  co_return value;
}
Task<> nothing() { co_await yield(); }
Task<bool> is_even(int value) {
  co_await yield();
  co_return value % 2 == 0;
}
Task<int> fail_with(std::string message) {
  co_await yield();
  throw Error(message);
}
Task<> forever() { co_await sleep(std::chrono::hours(1000)); }

TEST(Gather, GivesATupleInOrder) {
  on_both_drivers([]() -> Task<> {
    const Instant start = loop_time();
    const auto results = co_await gather(after_ms(3), nothing(), is_even(2), after_ms(1));
    EXPECT_EQ(std::get<0>(results), 3);
    EXPECT_TRUE(std::get<2>(results));
    EXPECT_EQ(std::get<3>(results), 1);
    if (tests::simulated()) {
      EXPECT_EQ(loop_time() - start, 3ms);
    }
  });
}

TEST(Gather, GivesTheResultsOfARangeInOrder) {
  on_both_drivers([]() -> Task<> {
    const std::vector<int> delays{3, 1, 2};
    const auto results = co_await gather(delays, after_ms);
    EXPECT_EQ(results, delays);
    const std::vector<int> empty;
    const auto none = co_await gather(empty, after_ms);
    EXPECT_TRUE(none.empty());
    auto even = co_await gather(delays, is_even);
    for (bool& flag : even) flag = !flag;
    EXPECT_FALSE(even[2]);
    co_await gather(delays, [](int) { return nothing(); });
    const auto slept = [](int value) { return sleep(std::chrono::milliseconds(value)); };
    co_await gather(delays, slept);
  });
}

TEST(Gather, RunsNoMoreThanTheLimitAtOnce) {
  on_both_drivers([]() -> Task<> {
    int running = 0;
    int most = 0;
    const auto job = [&](int value) -> Task<int> {
      most = std::max(most, ++running);
      co_await sleep(Duration(value % 3));
      --running;
      co_return value;
    };
    const auto range = std::views::iota(0, 50);
    const auto results = co_await gather(range, job, {.limit = 7});
    EXPECT_EQ(most, 7);
    EXPECT_EQ(results[49], 49);
  });
}

TEST(Gather, RefusesALimitOfZero) {
  on_both_drivers([]() -> Task<> {
    const std::vector<int> delays{1};
    EXPECT_THROW(co_await gather(delays, after_ms, {.limit = 0}), UsageError);
  });
}

TEST(Gather, TheFirstErrorCancelsTheRest) {
  on_both_drivers([]() -> Task<> {
    std::string message;
    try {
      co_await gather(forever(), fail_with("first"), forever());
    } catch (const Error& error) {
      message = error.what();
      EXPECT_TRUE(error.attached().empty());
    }
    EXPECT_EQ(message, "first");
  });
}

TEST(Gather, LaterErrorsAreAttached) {
  on_both_drivers([]() -> Task<> {
    const auto fail_in_cleanup = []() -> Task<> {
      try {
        co_await forever();
      } catch (const Cancelled&) {
        throw Error("second");
      }
    };
    std::vector<std::string> messages;
    try {
      co_await gather(fail_in_cleanup(), fail_with("first"));
    } catch (const Error& error) {
      messages.push_back(error.what());
      for (const auto& other : error.attached()) messages.push_back(describe(other));
    }
    EXPECT_EQ(messages.size(), 2U);
    EXPECT_EQ(messages.front(), "first");
    EXPECT_EQ(messages.back(), "second");
  });
}

// One stored error that several tasks throw must not be attached to itself: it would never be
// freed (which the leak checker of the sanitized build tells).
TEST(Gather, OneErrorOfSeveralTasksIsNotAttachedToItself) {
  on_both_drivers([]() -> Task<> {
    const auto shared = std::make_exception_ptr(Error("the connection is gone"));
    const auto rethrow = [&]() -> Task<> {
      std::rethrow_exception(shared);
      co_return;
    };
    const auto rethrow_later = [&]() -> Task<> {
      try {
        co_await forever();
      } catch (const Cancelled&) {
        std::rethrow_exception(shared);
      }
    };
    std::size_t attached = 100;
    try {
      co_await gather(rethrow_later(), rethrow());
    } catch (const Error& error) {
      attached = error.attached().size();
    }
    EXPECT_EQ(attached, 0U);
  });
}

TEST(Gather, AFunctionThatThrowsInsteadOfGivingATask) {
  on_both_drivers([]() -> Task<> {
    const auto picky = [](int value) -> Task<int> {
      if (value == 3) throw std::runtime_error("no three");
      return after_ms(value);
    };
    const auto range = std::views::iota(1, 6);
    EXPECT_THROW(co_await gather(range, picky), std::runtime_error);
  });
}

void burn(Duration length) {
  Loop& loop = Loop::current();
  for (const Instant end = after(loop.now(), length); loop.now() < end;) {
  }
}

TEST(Gather, OthersHaveTheirTurnWhileManyStart) {
  run([]() -> Task<> {
    int started = 0;
    int others = 0;
    const auto child = [&](int) -> Task<> {
      burn(1ms);
      ++started;
      co_return;
    };
    const auto other = [&]() -> Task<> {
      while (started < 10) {
        ++others;
        co_await yield();
      }
    };
    co_await gather(gather(std::views::iota(0, 10), child), other());
    EXPECT_GE(others, 3) << "started at once, they take 10 ms";
    EXPECT_EQ(started, 10);
  }());
}

TEST(Gather, CancelledWhileManyStart) {
  run([]() -> Task<> {
    int started = 0;
    const auto child = [&](int) -> Task<> {
      burn(3ms);
      ++started;
      co_await sleep(1000s);
    };
    const auto many = [&]() -> Task<> { co_await gather(std::views::iota(0, 1000), child); };
    co_await race(many(), yield());
    EXPECT_GE(started, 1);
    EXPECT_LE(started, 4);
  }());
}

TEST(Gather, AnErrorWhileManyStartIsGiven) {
  const auto child = [](int number) -> Task<> {
    burn(1ms);
    if (number == 5) throw Error("the fifth");
    co_return;
  };
  int given = 0;
  const auto many = [&]() -> Task<> {
    try {
      co_await gather(std::views::iota(0, 1000), child);
    } catch (const Error&) {
      ++given;
    }
  };
  run(many());
  EXPECT_EQ(given, 1);
}

TEST(AsCompleted, GivesEachResultAsItComes) {
  on_both_drivers([]() -> Task<> {
    const std::vector<int> delays{3, 1, 2};
    std::vector<int> seen;
    co_await as_completed(delays, after_ms, [&](int value) { seen.push_back(value); });
    if (tests::simulated()) {
      EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    }
    EXPECT_EQ(seen.size(), 3U);
    const auto angry = [](int) { throw std::runtime_error("no"); };
    EXPECT_THROW(co_await as_completed(delays, after_ms, angry), std::runtime_error);
  });
}

TEST(Race, CancelsTheLosers) {
  on_both_drivers([]() -> Task<> {
    const auto [slow, fast] = co_await race(forever(), after_ms(1));
    EXPECT_FALSE(slow.has_value());
    EXPECT_EQ(fast.value_or(0), 1);
    EXPECT_THROW(co_await race(forever(), fail_with("x")), Error);
  });
}

// An item and a timer in one turn: whoever wins, the item is in the queue or in the result.
TEST(Race, ALoserWithDataKeepsIt) {
  int both = 0;
  sim::run_seeds(1000, [&both]() -> Task<> {
    Queue<int> queue;
    const auto producer = [&]() -> Task<> {
      co_await sleep(1ms);
      co_await queue.put(7);
    };
    const auto consumer = [&]() -> Task<> {
      const auto [item, timer] = co_await race(queue.get(), sleep(1ms));
      const bool got = item.has_value() && item->value_or(0) == 7;
      if (got && timer.has_value()) ++both;
      if (!got) {
        EXPECT_TRUE(timer.has_value());
      }
      co_await sleep(1ms);
      EXPECT_EQ(queue.size(), got ? 0U : 1U);
    };
    co_await gather(producer(), consumer());
  });
  EXPECT_GT(both, 0);
}

TEST(Gather, CancellationExhaustion) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    co_await stage.run(gather(after_ms(1), after_ms(2), nothing()));
  });
  exhaust_cancellation([](Stage& stage) -> Task<> {
    const auto range = std::views::iota(0, 6);
    co_await stage.run(gather(range, after_ms, {.limit = 2}));
  });
}

TEST(Race, CancellationExhaustionLosesNoItem) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    Queue<int> queue;
    co_await queue.put(1);
    int got = 0;
    const auto take = [&]() -> Task<> {
      const auto [item, timer] = co_await race(queue.get(), sleep(1ms));
      if (item.has_value()) got += item->value_or(0);
    };
    co_await stage.run(take());
    EXPECT_EQ(static_cast<std::size_t>(got) + queue.size(), 1U);
  });
}

}  // namespace
}  // namespace clearway
