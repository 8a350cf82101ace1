// A loop inside another one, which here is a plain poll(2).

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <poll.h>
#include <clearway/task/gather.hpp>
#include <clearway/task/guest.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/timeout.hpp>
#include <clearway/task/to_thread.hpp>
#include <tests/loop/driver_world.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;

Task<> own_sleep() { co_await sleep(1ms); }

// The host; gives how often it waited.
int host(Guest& guest, std::atomic<int>* waiting = nullptr) {
  int waits = 0;
  while (!guest.done()) {
    pollfd wait{guest.descriptor(), POLLIN, 0};
    const int milliseconds = guest.milliseconds();
    if (waiting != nullptr && milliseconds != 0) ++*waiting;
    ::poll(&wait, 1, milliseconds);
    ++waits;
    guest.run_ready();
  }
  return waits;
}

// On the drivers that a host can wait for.
class GuestTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (driver() == nullptr) GTEST_SKIP() << refusal_;
  }
  std::unique_ptr<Driver> driver() { return driver_tests::make_real(GetParam(), refusal_); }

 private:
  std::string refusal_;
};
class ThreadGuestTest : public GuestTest {};

std::string name_of_driver(const ::testing::TestParamInfo<const char*>& info) { return info.param; }
INSTANTIATE_TEST_SUITE_P(Drivers, GuestTest, ::testing::ValuesIn(driver_tests::host_drivers),
                         name_of_driver);
INSTANTIATE_TEST_SUITE_P(Drivers, ThreadGuestTest, ::testing::ValuesIn(driver_tests::host_drivers),
                         name_of_driver);

TEST_P(GuestTest, RunsInTheHostsTurns) {
  int steps = 0;
  const auto work = [&]() -> Task<> {
    for (int step = 0; step < 5; ++step) {
      co_await gather(sleep(1ms), sleep(2ms));
      ++steps;
    }
  };
  Guest guest(work(), driver());
  EXPECT_FALSE(guest.done());
  EXPECT_LE(host(guest), 60);  // it sleeps in between, and does not spin
  guest.take();
  EXPECT_EQ(steps, 5);
}

TEST_P(ThreadGuestTest, PostsWakeTheHost) {
  Event told;
  const auto work = [&]() -> Task<> { co_await told.wait(); };
  Guest guest(work(), driver());
  std::atomic<int> waiting = 0;
  std::thread other([&, loop = &guest.loop()] {
    while (waiting == 0) std::this_thread::yield();  // the host is on its way into poll()
    loop->post([&] { told.set(); });
  });
  host(guest, &waiting);
  guest.take();
  other.join();
}

TEST_P(ThreadGuestTest, WorksWithThreads) {
  int sum = 0;
  const auto work = [&]() -> Task<> {
    for (int round = 0; round < 20; ++round) {
      sum += co_await to_thread([](int value) { return value; }, round);
    }
  };
  Guest guest(work(), driver());
  host(guest);
  EXPECT_EQ(sum, 190);
}

TEST(Guest, RefusesADriverWhoseHostIsNotWoken) {
  std::string refusal;
  auto deferred = driver_tests::make_real("uring", refusal);
  if (deferred == nullptr) GTEST_SKIP() << refusal;
  if (deferred->pollable() >= 0) GTEST_SKIP() << "this kernel has no DEFER_TASKRUN";
  const auto work = []() -> Task<> { co_return; };
  EXPECT_THAT(tests::error_of([&] { Guest guest(work(), std::move(deferred)); }),
              ::testing::HasSubstr("no descriptor that a host could wait for"));
}

TEST_P(GuestTest, GivesErrorsAndEndsWhatIsLeft) {
  {
    const auto work = []() -> Task<> {
      co_await yield();
      throw std::runtime_error("broken");
    };
    Guest guest(work(), driver());
    EXPECT_THROW(guest.take(), UsageError);
    host(guest);
    EXPECT_THROW(guest.take(), std::runtime_error);
  }
  bool cleaned = false;
  const auto clean = [&]() -> Task<> {
    co_await sleep(1ms);
    cleaned = true;
  };
  {
    const auto work = [&]() -> Task<> {
      background().start([&] { return finally(sleep(1000s), clean); });
      co_await sleep(1000s);
    };
    Guest guest(work(), driver());
    guest.run_ready();
    EXPECT_THROW(run(own_sleep()), UsageError);  // one loop per thread
  }
  EXPECT_TRUE(cleaned);
  const auto nothing = []() -> Task<> { co_return; };
  Guest at_once(nothing(), driver());
  EXPECT_TRUE(at_once.done());
  at_once.take();
}

TEST_P(GuestTest, CanBeCancelled) {
  const auto work = []() -> Task<> { co_await sleep(1000s); };
  Guest guest(work(), driver());
  guest.run_ready();
  guest.cancel();
  host(guest);
  guest.take();
}

TEST(Guest, TakesADriverThatHostsCanWaitForUnlessTold) {
  const auto work = []() -> Task<> { co_await own_sleep(); };
  Guest guest(work());
  EXPECT_EQ(guest.loop().driver().name(), make_default_driver()->name());
  EXPECT_GE(guest.descriptor(), 0);
  host(guest);
  guest.take();
}

TEST(Guest, SaysThatASimulatedWorldHasNothingToWaitFor) {
  const auto work = []() -> Task<> { co_return; };
  EXPECT_EQ(tests::error_of([&] { Guest guest(work(), std::make_unique<SimulatedDriver>()); }),
            "the simulated driver has no descriptor that a host could wait for: run() its loop "
            "instead");
}

}  // namespace
}  // namespace clearway
