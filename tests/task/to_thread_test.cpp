// to_thread: blocking calls beside the loop. The suites' names begin with "Thread", so that
// ThreadSanitizer's run picks them.

#include <atomic>
#include <latch>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>

#include <clearway/task/gather.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/task_group.hpp>
#include <clearway/task/to_thread.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using sim::exhaust_cancellation;
using sim::Stage;
using tests::on_both_drivers;

int twice(int value) { return 2 * value; }
std::unique_ptr<std::string> join(std::string first, const std::string& second) {
  return std::make_unique<std::string>(first + second);
}
int failing() { throw std::runtime_error("the file is locked"); }

TEST(ThreadCall, GivesResultsAndErrors) {
  on_both_drivers([]() -> Task<> {
    EXPECT_EQ(co_await to_thread(twice, 4), 8);
    const std::string second = "two";
    const auto joined = co_await to_thread(join, std::string("one "), second);
    EXPECT_EQ(*joined, "one two");
    EXPECT_THROW(co_await to_thread(failing), std::runtime_error);
    EXPECT_THROW(co_await to_thread(abandonable, failing), std::runtime_error);
    int seen = 0;
    co_await to_thread([&] { seen = 5; });
    EXPECT_EQ(seen, 5);
    EXPECT_EQ(co_await to_thread(abandonable, twice, 4), 8);
  });
}

TEST(ThreadCall, RunsBesideTheLoop) {
  run([]() -> Task<> {
    const auto loop_thread = std::this_thread::get_id();
    std::binary_semaphore gate(0);
    std::thread::id worker;
    const auto block = [&] {
      worker = std::this_thread::get_id();
      gate.acquire();
    };
    const auto release = [&]() -> Task<> {
      co_await sleep(1ms);
      gate.release();
    };
    co_await gather(to_thread(block), release());
    EXPECT_NE(worker, loop_thread);
  }());
}

TEST(ThreadCall, CancellingWaitsForTheFunctionAndKeepsItsResult) {
  run([]() -> Task<> {
    std::latch begun(1);
    std::binary_semaphore gate(0);
    std::atomic<bool> ended = false;
    const auto block = [&] {
      begun.count_down();
      gate.acquire();
      ended = true;
      return 7;
    };
    int result = 0;
    const auto caller = [&]() -> Task<> { result = co_await to_thread(block); };
    co_await task_group([&](TaskGroup& group) -> Task<> {
      const auto child = group.start(caller);
      co_await yield();
      co_await yield();
      begun.wait();
      child.cancel();
      co_await yield();
      EXPECT_FALSE(child.ended());
      gate.release();
    });
    EXPECT_TRUE(ended);
    EXPECT_EQ(result, 7);
  }());
}

// What an abandoned call and its test know of each other.
struct Abandoned {
  std::atomic<bool> begun = false;
  std::binary_semaphore gate{0};
  std::binary_semaphore left{0};
};

void hang(const std::shared_ptr<Abandoned>& call) {
  call->begun = true;
  call->gate.acquire();
  call->left.release();
}

TEST(ThreadCall, AnAbandonedThreadIsLeftBehind) {
  const auto call = std::make_shared<Abandoned>();
  run([](std::shared_ptr<Abandoned> shared) -> Task<> {
    co_await task_group([&](TaskGroup& group) -> Task<> {
      auto left_behind = group.start([&] { return to_thread(abandonable, hang, shared); });
      while (!shared->begun) co_await sleep(1ms);  // one that has not begun never runs
      left_behind.cancel();
    });
    EXPECT_EQ(co_await to_thread(twice, 1), 2);
  }(call));
  call->gate.release();  // the run has ended, the thread has not
  call->left.acquire();
}

TEST(ThreadPool, SixHundredBlockingJobs) {
  run([]() -> Task<> {
    std::atomic<int> done = 0;
    std::latch many(500);
    const auto job = [&](int number) {
      if (number < 500) many.arrive_and_wait();  // needs 500 threads at once
      return ++done;
    };
    const auto range = std::views::iota(0, 600);
    const auto results = co_await gather(range, [&](int i) { return to_thread(job, i); });
    EXPECT_EQ(done, 600);
    EXPECT_EQ(results.size(), 600U);
    EXPECT_LE(Loop::current().service<detail::ThreadPool>().threads(), 512U);
  }());
}

TEST(ThreadCall, CancellationExhaustion) {
  exhaust_cancellation([](Stage& stage) -> Task<> {
    const auto calls = []() -> Task<int> {
      const auto both = co_await gather(to_thread(twice, 1), to_thread(abandonable, twice, 2));
      co_return std::get<0>(both) + std::get<1>(both);
    };
    const auto result = co_await stage.run(calls());
    EXPECT_TRUE(!result.has_value() || *result == 6);
  });
}

}  // namespace
}  // namespace clearway
