// The timer wheel against the plainest model of it: a list that is searched.

#include <gtest/gtest.h>
#include <clearway/loop/timer.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace clearway;
using namespace std::chrono_literals;

constexpr Duration tick = 1ms;

class Probe final : public Timer {
 public:
  explicit Probe(const Instant& clock) : clock_(clock) {}
  void expired() override {
    fired_at = clock_;
    ++fired;
    if (on_fire) on_fire();
  }
  Instant fired_at{};
  int fired = 0;
  std::function<void()> on_fire;

 private:
  const Instant& clock_;
};

class TimerQueueTest : public ::testing::TestWithParam<TimerQueue::Mode> {
 protected:
  TimerQueueTest() : queue_(GetParam(), now_) {}

  bool exact() const { return GetParam() == TimerQueue::Mode::exact; }
  Duration slack() const { return exact() ? Duration::zero() : tick; }
  // As the loop does: waits until next() at the latest.
  void run_until(Instant end) {
    while (now_ < end) {
      now_ = std::clamp(queue_.next(), now_, end);
      queue_.expire(now_);
    }
  }

  Instant now_{12345678ns};
  TimerQueue queue_;
};

INSTANTIATE_TEST_SUITE_P(Modes, TimerQueueTest,
                         ::testing::Values(TimerQueue::Mode::wheel, TimerQueue::Mode::exact),
                         [](const auto& info) {
                           return info.param == TimerQueue::Mode::wheel ? "wheel" : "exact";
                         });

TEST_P(TimerQueueTest, NeverEarlyAtMostOneTickLate) {
  for (const Duration length : std::vector<Duration>{0ns, 1ns, 999us, 1ms, 63ms, 64ms, 65ms, 4095ms,
                                                     4096ms, 5min, 3h, 100h, 24h * 365}) {
    Probe probe(now_);
    const Instant deadline = after(now_, length);
    queue_.set(probe, deadline);
    run_until(after(deadline, 2 * tick));
    EXPECT_EQ(probe.fired, 1) << length.count();
    EXPECT_GE(probe.fired_at, deadline);
    EXPECT_LE(probe.fired_at - deadline, slack());
  }
  EXPECT_EQ(queue_.next(), never);
}

TEST_P(TimerQueueTest, NeverDoesNotFire) {
  Probe probe(now_);
  queue_.set(probe, never);
  run_until(after(now_, 24h * 30));
  EXPECT_EQ(probe.fired, 0);
  queue_.cancel(probe);
  EXPECT_EQ(queue_.size(), 0U);
}

TEST_P(TimerQueueTest, ACancelledTimerIsSilentAlsoFromWithinAnother) {
  Probe first(now_);
  Probe second(now_);
  const Instant deadline = after(now_, 5ms);
  queue_.set(first, deadline);
  queue_.set(second, deadline);
  first.on_fire = [&] { queue_.cancel(second); };
  second.on_fire = [&] { queue_.cancel(first); };
  run_until(after(now_, 10ms));
  EXPECT_EQ(first.fired + second.fired, 1);
  EXPECT_EQ(queue_.size(), 0U);
}

TEST_P(TimerQueueTest, ATimerMaySetItselfAgain) {
  Probe probe(now_);
  probe.on_fire = [&] {
    if (probe.fired < 5) queue_.set(probe, after(now_, 10ms));
  };
  queue_.set(probe, after(now_, 10ms));
  run_until(after(now_, 100ms));
  EXPECT_EQ(probe.fired, 5);
}

TEST_P(TimerQueueTest, AWheelThatWasIdleIsNotLate) {
  now_ = after(now_, 50h);
  queue_.expire(now_);
  Probe probe(now_);
  queue_.set(probe, after(now_, 3ms));
  run_until(after(now_, 5ms));
  EXPECT_EQ(probe.fired, 1);
}

// Random sets, cancels and steps; after each step exactly the due timers have fired.
TEST_P(TimerQueueTest, AgreesWithTheModel) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Instant clock = now_;
    TimerQueue queue(GetParam(), clock);
    std::vector<std::unique_ptr<Probe>> probes;
    for (int index = 0; index < 50; ++index) probes.push_back(std::make_unique<Probe>(clock));
    const auto some_duration = [&] { return Duration(random() % (1ULL << (10 + random() % 36))); };
    for (int step = 0; step < 200; ++step) {
      Probe& probe = *probes[random() % probes.size()];
      if (random() % 4 == 0) {
        queue.cancel(probe);
      } else if (!probe.armed()) {
        probe.fired = 0;
        queue.set(probe, after(clock, some_duration()));
      }
      if (random() % 3 != 0) continue;
      clock = random() % 2 == 0 ? after(clock, some_duration())
                                : std::min(queue.next(), after(clock, some_duration()));
      queue.expire(clock);
      std::size_t armed = 0;
      for (const auto& each : probes) {
        if (!each->armed()) continue;
        ++armed;
        ASSERT_GT(each->deadline() + slack(), clock) << "overdue";
        ASSERT_LE(queue.next(), after(each->deadline(), slack())) << "the loop would oversleep";
      }
      for (const auto& each : probes) {
        if (each->fired > 0) {
          ASSERT_GE(each->fired_at, each->deadline()) << "early";
        }
      }
      ASSERT_EQ(queue.size(), armed);
    }
    for (const auto& each : probes) queue.cancel(*each);
  }
}

}  // namespace
