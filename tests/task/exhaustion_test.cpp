// Every public operation, cancelled at each of its suspensions: nothing is lost, nothing is left.
// Those of Semaphore, Condition, Queue, gather, race, task_group, to_thread, finally and with_scope
// stand with their other tests.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <clearway/base/error.hpp>
#include <clearway/task/every.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/local.hpp>
#include <clearway/task/queue.hpp>
#include <clearway/task/race.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <clearway/task/to_thread.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using sim::exhaust_cancellation;
using sim::Stage;

Task<int> later(int value) {
  co_await sleep(std::chrono::milliseconds(value));
  co_return value;
}

TEST(Exhaustion, Event) {
  const std::size_t runs = exhaust_cancellation([](Stage& stage) -> Task<> {
    Event event;
    int passed = 0;
    const auto waiter = [&](int) -> Task<> {
      co_await event.wait();
      ++passed;
      co_await event.wait();  // set: does not suspend
    };
    const auto several = [&]() -> Task<> {
      const auto range = std::views::iota(0, 3);
      const auto setter = [&]() -> Task<> {
        co_await sleep(1ms);
        event.set();
      };
      co_await gather(gather(range, waiter), setter());
    };
    const auto outcome = co_await stage.run(several());
    EXPECT_EQ(passed, outcome.has_value() ? 3 : passed);
    // The event is as it was: it serves the next ones.
    event.set();
    co_await event.wait();
  });
  EXPECT_GT(runs, 15U);
}

TEST(Exhaustion, Lock) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    Lock lock;
    int inside = 0;
    const auto use = [&](int) -> Task<> {
      const auto guard = co_await lock.acquire();
      EXPECT_EQ(++inside, 1);
      const auto leave = [&]() -> Task<> {
        --inside;
        co_return;
      };
      co_await finally(sleep(1ms), leave);
    };
    const auto several = [&]() -> Task<> {
      const auto range = std::views::iota(0, 4);
      co_await gather(range, use);
    };
    co_await stage.run(several());
    EXPECT_FALSE(lock.locked());
    EXPECT_EQ(inside, 0);
  });
}

TEST(Exhaustion, SemaphoreOfSeveralPermits) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    Semaphore semaphore(3);
    const auto use = [&](int count) -> Task<> {
      auto permit = co_await semaphore.acquire(static_cast<std::size_t>(count));
      co_await sleep(1ms);
      permit.release();
      co_await yield();
    };
    const auto several = [&]() -> Task<> {
      const std::vector<int> counts{1, 3, 2, 1, 3};
      co_await gather(counts, use);
    };
    co_await stage.run(several());
    EXPECT_EQ(semaphore.available(), 3U);
  });
}

TEST(Exhaustion, ACancelledRequestForPermitsMakesWay) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    Semaphore semaphore(3);
    const auto held = co_await semaphore.acquire(2);
    const auto take = [&](std::size_t count) -> Task<> {
      const auto permit = co_await semaphore.acquire(count);
      co_await yield();
    };
    const auto large = [&]() -> Task<> { co_await move_on_after(2ms, take(3)); };
    const auto small = [&]() -> Task<> {
      co_await sleep(1ms);
      const auto served = co_await move_on_after(1s, take(1));
      EXPECT_TRUE(served.has_value());
    };
    co_await gather(stage.run(large()), small());
    EXPECT_EQ(semaphore.available(), 1U);
  });
}

TEST(Exhaustion, ConditionNotifiesThoseThatAreLeft) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    Lock lock;
    Condition changed;
    int tickets = 0;
    int served = 0;
    const auto consumer = [&]() -> Task<> {
      auto guard = co_await lock.acquire();
      while (tickets == 0) co_await changed.wait(guard);
      --tickets;
      ++served;
    };
    const auto producer = [&]() -> Task<> {
      for (int round = 0; round < 2; ++round) {
        co_await sleep(1ms);
        const auto guard = co_await lock.acquire();
        ++tickets;
        changed.notify_all();
      }
    };
    const auto patient = [&]() -> Task<> { co_await move_on_after(10ms, consumer()); };
    co_await gather(stage.run(consumer()), patient(), producer());
    EXPECT_EQ(tickets + served, 2);
    EXPECT_GE(served, 1) << "the one that was not cancelled";
    EXPECT_FALSE(lock.locked());
  });
}

TEST(Exhaustion, QueueWithoutRoom) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    Queue<std::string> queue(0);
    std::vector<std::string> put;
    std::vector<std::string> got;
    const auto producer = [&](int number) -> Task<> {
      const std::string item =
          "an item that is too long to be kept in the string " + std::to_string(number);
      co_await queue.put(item);
      put.push_back(item);
    };
    const auto consumer = [&]() -> Task<> {
      for (int count = 0; count < 3; ++count) {
        auto item = co_await queue.get();
        got.push_back(std::move(item).value());
      }
    };
    const auto both = [&]() -> Task<> {
      const auto range = std::views::iota(0, 3);
      co_await gather(gather(range, producer), consumer());
    };
    const auto outcome = co_await stage.run(both());
    // A put whose item was taken has put it, even when it is cancelled in the same turn.
    EXPECT_EQ(put.size(), got.size());
    EXPECT_TRUE(!outcome.has_value() || got.size() == 3U);
  });
}

TEST(Exhaustion, Every) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    int runs = 0;
    const auto tick = [&]() -> Task<> {
      co_await sleep(1ms);
      if (++runs == 3) throw Error("enough");
    };
    const auto until_enough = [&]() -> Task<> {
      const auto result = co_await as_result(every(2ms, tick));
      EXPECT_EQ(result.message(), "enough");
    };
    const auto outcome = co_await stage.run(until_enough());
    EXPECT_EQ(runs == 3, outcome.has_value());
  });
}

TEST(Exhaustion, AsCompletedGivesEachResultOnce) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    std::vector<int> seen;
    const std::vector<int> delays{3, 1, 2, 2};
    const auto sink = [&](int value) { seen.push_back(value); };
    const auto outcome = co_await stage.run(as_completed(delays, later, sink, {.limit = 2}));
    EXPECT_LE(seen.size(), 4U);
    EXPECT_TRUE(!outcome.has_value() || seen.size() == 4U);
  });
}

TEST(Exhaustion, RaceOfQueues) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    Queue<int> first;
    Queue<int> second;
    co_await first.put(1);
    int got = 0;
    const auto feed = [&]() -> Task<> {
      co_await sleep(1ms);
      co_await second.put(1);
    };
    const auto take = [&]() -> Task<> {
      for (int round = 0; round < 2; ++round) {
        const auto [one, two] = co_await race(first.get(), second.get());
        if (one.has_value()) got += one->value_or(0);
        if (two.has_value()) got += two->value_or(0);
      }
    };
    const auto patient = [&]() -> Task<> { co_await move_on_after(10ms, take()); };
    co_await gather(stage.run(patient()), feed());
    EXPECT_EQ(static_cast<std::size_t>(got) + first.size() + second.size(), 2U);
  });
}

TEST(Exhaustion, ToThreadKeepsWhatHasRun) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    int ran = 0;
    int told = 0;
    const auto work = [&] { return ++ran; };
    const auto calls = [&]() -> Task<> {
      for (int count = 0; count < 3; ++count) told = co_await to_thread(work);
    };
    co_await stage.run(calls());
    EXPECT_EQ(ran, told);
  });
}

TEST(Exhaustion, ScopesAroundOneTask) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    const TaskLocal<int> depth("depth");
    int shielded_ends = 0;
    int shielded_begins = 0;
    const auto steady = [&]() -> Task<int> {
      ++shielded_begins;
      co_await sleep(1ms);
      ++shielded_ends;
      co_return *depth.get();
    };
    const auto nested = [&]() -> Task<int> {
      auto result = co_await as_result(timeout(1s, with_value(depth, 4, shielded(steady()))));
      const auto late = co_await move_on_after(1ms, later(5));
      EXPECT_FALSE(late.has_value());
      co_return result.value();
    };
    const auto outcome = co_await stage.run(nested());
    EXPECT_EQ(outcome.value_or(4), 4);
    EXPECT_EQ(shielded_begins, shielded_ends);
  });
}

TEST(Exhaustion, GroupsInGroups) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    int begun = 0;
    int ended = 0;
    const auto child = [&](int delay) -> Task<int> {
      ++begun;
      const auto note_end = [&]() -> Task<> {
        ++ended;
        co_return;
      };
      co_return co_await finally(later(delay), note_end);
    };
    const auto outer = [&](TaskGroup& group) -> Task<int> {
      const auto inner = [&](TaskGroup& inner_group) -> Task<int> {
        const auto handle = inner_group.start(child, 1);
        group.start(child, 2);
        const int first = co_await handle;
        co_return first + co_await inner_group.start(child, 1);
      };
      co_return co_await task_group(inner);
    };
    const auto outcome = co_await stage.run(task_group(outer));
    EXPECT_EQ(outcome.value_or(2), 2);
    EXPECT_EQ(begun, ended);
  });
}

}  // namespace
}  // namespace clearway
