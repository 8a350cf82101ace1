// Event, Lock, Semaphore, Condition and Queue.

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <clearway/base/error.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/queue.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using sim::exhaust_cancellation;
using sim::Stage;
using tests::error_of;
using tests::on_both_drivers;

TEST(Event, WakesAllAndLetsLaterOnesPass) {
  on_both_drivers([]() -> Task<> {
    Event event;
    int passed = 0;
    const auto waiter = [&]() -> Task<> {
      co_await event.wait();
      ++passed;
    };
    const auto setter = [&]() -> Task<> {
      co_await sleep(1ms);
      EXPECT_EQ(passed, 0);
      event.set();
    };
    co_await gather(waiter(), waiter(), setter());
    co_await waiter();
    EXPECT_EQ(passed, 3);
    event.clear();
    const auto late = co_await move_on_after(1ms, waiter());
    EXPECT_FALSE(late.has_value());
  });
}

TEST(Lock, ExcludesOthersAcrossAwaits) {
  on_both_drivers([]() -> Task<> {
    Lock lock;
    int inside = 0;
    const auto user = [&](int) -> Task<> {
      const auto guard = co_await lock.acquire();
      EXPECT_EQ(++inside, 1);
      co_await yield();
      --inside;
    };
    const auto range = std::views::iota(0, 20);
    co_await gather(range, user);
    EXPECT_FALSE(lock.locked());
  });
}

TEST(Semaphore, SmallRequestsDoNotOvertakeALargeOne) {
  on_both_drivers([]() -> Task<> {
    Semaphore semaphore(2);
    std::vector<int> order;
    auto held = co_await semaphore.acquire(1);
    const auto take = [&](std::size_t count) -> Task<> {
      const auto permit = co_await semaphore.acquire(count);
      order.push_back(static_cast<int>(count));
    };
    const auto release = [&]() -> Task<> {
      co_await sleep(1ms);
      EXPECT_TRUE(order.empty());
      held.release();
    };
    co_await gather(take(2), take(1), release());
    const std::vector<int> expected{2, 1};
    EXPECT_EQ(order, expected);
    EXPECT_EQ(semaphore.available(), 2U);
  });
}

TEST(Semaphore, ACancelledRequestMakesWayForThoseBehindIt) {
  on_both_drivers([]() -> Task<> {
    Semaphore semaphore(1);
    bool served = false;
    const auto large = [&]() -> Task<> { static_cast<void>(co_await semaphore.acquire(2)); };
    const auto small = [&]() -> Task<> {
      const auto permit = co_await semaphore.acquire();
      served = true;
    };
    co_await gather(move_on_after(1ms, large()), small());
    EXPECT_TRUE(served);
    EXPECT_EQ(semaphore.available(), 1U);
  });
}

TEST(Semaphore, CancellationExhaustionLosesNoPermit) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    Semaphore semaphore(2);
    const auto use = [&](int count) -> Task<> {
      const auto permit = co_await semaphore.acquire(static_cast<std::size_t>(count));
      co_await yield();
    };
    const auto range = std::views::iota(1, 3);
    const auto several = [&]() -> Task<> { co_await gather(use(1), use(2), use(1), use(2)); };
    co_await stage.run(several());
    EXPECT_EQ(semaphore.available(), 2U);
    static_cast<void>(range);
  });
}

TEST(Condition, HoldsTheLockAfterwardsCancelledOrNot) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    Lock lock;
    Condition changed;
    bool ready = false;
    const auto consumer = [&]() -> Task<> {
      auto guard = co_await lock.acquire();
      while (!ready) {
        try {
          co_await changed.wait(guard);
        } catch (const Cancelled&) {
          EXPECT_TRUE(lock.locked());
          throw;
        }
        EXPECT_TRUE(lock.locked());
      }
    };
    const auto producer = [&]() -> Task<> {
      co_await sleep(1ms);
      const auto guard = co_await lock.acquire();
      ready = true;
      changed.notify_one();
    };
    co_await gather(stage.run(consumer()), producer());
    EXPECT_FALSE(lock.locked());
  });
}

TEST(Queue, KeepsTheOrderAndMakesProducersWait) {
  on_both_drivers([]() -> Task<> {
    for (const std::size_t capacity : {0U, 1U, 5U, 100U}) {
      Queue<std::unique_ptr<int>> queue(capacity);
      const auto producer = [&]() -> Task<> {
        for (int i = 0; i < 20; ++i) {
          co_await queue.put(std::make_unique<int>(i));
          EXPECT_LE(queue.size(), capacity);
        }
        queue.close();
      };
      const auto consumer = [&]() -> Task<> {
        int expected = 0;
        while (const auto item = co_await queue.get()) EXPECT_EQ(**item, expected++);
        EXPECT_EQ(expected, 20);
      };
      co_await gather(producer(), consumer());
    }
  });
}

TEST(Queue, ClosingEndsThoseThatWait) {
  on_both_drivers([]() -> Task<> {
    Queue<int> empty;
    Queue<int> full(1);
    co_await full.put(1);
    const auto getter = [&]() -> Task<> {
      const auto item = co_await empty.get();
      EXPECT_FALSE(item.has_value());
    };
    const auto putter = [&]() -> Task<> { EXPECT_THROW(co_await full.put(2), QueueClosed); };
    const auto closer = [&]() -> Task<> {
      co_await yield();
      empty.close();
      full.close();
    };
    co_await gather(getter(), putter(), closer());
    EXPECT_EQ(co_await full.get(), 1);
    const auto end = co_await full.get();
    EXPECT_FALSE(end.has_value());
    int item = 5;
    EXPECT_FALSE(full.try_put(item));
  });
}

TEST(Queue, CancellationExhaustionLosesNoItem) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    Queue<int> queue(1);
    int put = 0;
    int got = 0;
    const auto producer = [&]() -> Task<> {
      for (int i = 0; i < 5; ++i) {
        co_await queue.put(i);
        ++put;
      }
    };
    const auto consumer = [&]() -> Task<> {
      for (int i = 0; i < 5; ++i) {
        const auto item = co_await queue.get();
        EXPECT_EQ(item, got);
        ++got;
      }
    };
    const auto both = [&]() -> Task<> { co_await gather(producer(), consumer()); };
    co_await stage.run(both());
    EXPECT_EQ(static_cast<std::size_t>(put), static_cast<std::size_t>(got) + queue.size());
  });
}

// A task of what is no task.
template <class D>
auto own_task(D description) {
  return Task<await_result_t<D>>(own(std::move(description)));
}

TEST(ThreadUsage, AnObjectOfAnotherLoopSaysSo) {
  run([]() -> Task<> {
    Queue<int> queue;
    Event event;
    Semaphore semaphore(1);
    const auto here = co_await move_on_after(1ms, gather(queue.get(), event.wait()));
    EXPECT_FALSE(here.has_value());
    {
      const auto permit = co_await semaphore.acquire();
    }
    std::string messages[3];
    std::thread([&] {
      messages[0] = error_of([&] { run(own_task(queue.get())); });
      messages[1] = error_of([&] { run(own_task(event.wait())); });
      messages[2] = error_of([&] { static_cast<void>(run(own_task(semaphore.acquire()))); });
    }).join();
    for (const std::string& message : messages) {
      EXPECT_NE(message.find("the loop of another thread"), std::string::npos) << message;
    }
  }());
}

}  // namespace
}  // namespace clearway
