// Objects of one loop that are touched from another thread. The suite's name begins with "Thread",
// so that ThreadSanitizer's run picks it.

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <clearway/base/error.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/queue.hpp>
#include <clearway/task/race.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::error_of;

// What `misuse` throws on a thread without a loop, and on one that runs a loop of its own.
std::vector<std::string> errors_elsewhere(const std::function<void()>& misuse) {
  std::vector<std::string> messages(2);
  std::thread([&] { messages[0] = error_of(misuse); }).join();
  std::thread([&] {
    messages[1] = error_of([&] {
      const auto body = [&]() -> Task<> {
        misuse();
        co_return;
      };
      run(body());
    });
  }).join();
  return messages;
}

void expect_refused(const char* what, const std::function<void()>& misuse) {
  for (const std::string& message : errors_elsewhere(misuse)) {
    EXPECT_NE(message.find("Loop::post"), std::string::npos) << what << ": " << message;
  }
}

TEST(ThreadUsage, WakingATaskOfAnotherThreadIsRefused) {
  run([]() -> Task<> {
    Event event;
    Semaphore semaphore(0);
    Lock lock;
    Condition condition;
    Queue<int> empty;
    Queue<int> full(0);
    int woken = 0;
    const auto wait_for_condition = [&]() -> Task<> {
      auto guard = co_await lock.acquire();
      co_await condition.wait(guard);
      ++woken;
    };
    const auto put = [&]() -> Task<> {
      co_await full.put(1);
      ++woken;
    };
    const auto misuse = [&]() -> Task<> {
      co_await sleep(1ms);
      expect_refused("Event::set", [&] { event.set(); });
      EXPECT_FALSE(event.is_set());
      expect_refused("Semaphore::release", [&] { semaphore.release(); });
      EXPECT_EQ(semaphore.available(), 0U);
      expect_refused("Condition::notify_one", [&] { condition.notify_one(); });
      expect_refused("Condition::notify_all", [&] { condition.notify_all(); });
      int item = 5;
      expect_refused("Queue::try_put", [&] { empty.try_put(item); });
      expect_refused("Queue::close", [&] { empty.close(); });
      EXPECT_FALSE(empty.closed());
      expect_refused("Queue::try_get", [&] { static_cast<void>(full.try_get()); });
      EXPECT_EQ(woken, 0);
    };
    const auto everybody = [&]() -> Task<> {
      co_await gather(event.wait(), semaphore.acquire(), wait_for_condition(), empty.get(), put());
    };
    co_await race(everybody(), misuse());
  }());
}

TEST(ThreadUsage, AnObjectServesOneRunAfterAnother) {
  Event event;
  Lock lock;
  Queue<int> queue;
  for (int round = 0; round < 3; ++round) {
    const auto use = [&]() -> Task<> {
      event.clear();
      const auto guard = co_await lock.acquire();
      const auto feed = [&]() -> Task<> {
        co_await yield();
        event.set();
        co_await queue.put(round);
      };
      const auto take = [&]() -> Task<> {
        co_await event.wait();
        EXPECT_EQ(co_await queue.get(), round);
      };
      co_await gather(take(), feed());
    };
    // A loop at another address each time.
    const auto padding = std::make_unique<char[]>(1000);
    EXPECT_EQ(error_of([&] { run(use()); }), "") << "round " << round;
    EXPECT_EQ(error_of([&] { sim::run({}, use); }), "") << "round " << round;
  }
}

Task<> cancel_elsewhere() {
  const auto body = [](TaskGroup& group) -> Task<> {
    Event never;
    const auto child = group.start([&never] { return never.wait(); });
    co_await yield();
    co_await yield();
    std::thread([&] { child.cancel(); }).join();
  };
  co_await task_group(body);
}

TEST(ThreadUsageDeathTest, CancellingOnAnotherThreadSaysSo) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(run(cancel_elsewhere()), "use Loop::post to cancel from others");
}

}  // namespace
}  // namespace clearway
