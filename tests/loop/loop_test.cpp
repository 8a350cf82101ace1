// The loop itself: what is posted from threads, signals, and its contract.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/loop/loop.hpp>
#include <clearway/loop/signal_wake.hpp>
#include <clearway/loop/simulated_driver.hpp>

#include <csignal>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace clearway;

TEST(LoopThread, RunsWhatManyThreadsPost) {
  Loop loop(make_default_driver());
  constexpr int threads = 4;
  constexpr int each = 2000;
  int ran = 0;
  std::vector<std::thread> posters;
  for (int index = 0; index < threads; ++index) {
    posters.emplace_back([&] {
      for (int count = 0; count < each; ++count) {
        loop.post([&] {
          if (++ran == threads * each) loop.stop();
        });
      }
    });
  }
  loop.run();  // no timer: every wake-up that were lost would hang it
  for (auto& poster : posters) poster.join();
  EXPECT_EQ(ran, threads * each);
}

TEST(LoopThread, APostEndsAWaitThatHasBegun) {
  Loop loop(make_default_driver());
  for (int round = 0; round < 200; ++round) {
    std::thread poster([&] { loop.post([&] { loop.stop(); }); });
    loop.run();
    poster.join();
  }
}

TEST(Loop, OnePerThread) {
  Loop loop(std::make_unique<SimulatedDriver>());
  EXPECT_EQ(&Loop::current(), &loop);
  EXPECT_THROW(Loop(std::make_unique<SimulatedDriver>()), UsageError);
  EXPECT_EQ(&Loop::current(), &loop);
}

TEST(Loop, OffAnyLoopCurrentThrows) {
  EXPECT_EQ(Loop::current_or_null(), nullptr);
  EXPECT_THROW(Loop::current(), UsageError);
}

TEST(Loop, AStuckSimulationSaysSo) {
  Loop loop(std::make_unique<SimulatedDriver>());
  EXPECT_THROW(loop.run(), UsageError);
}

// Queues itself again and again.
class Busy final : public Ready {
 public:
  explicit Busy(Loop& loop) : loop_(loop) {}
  void run() override {
    ++runs;
    loop_.ready(*this);
  }
  int runs = 0;

 private:
  Loop& loop_;
};

class Shot final : public Timer {
 public:
  explicit Shot(Loop& loop) : loop_(loop) {}
  void expired() override { loop_.stop(); }

 private:
  Loop& loop_;
};

TEST(Loop, ABusyNodeDoesNotKeepTimersWaiting) {
  Loop loop(make_default_driver());
  Busy busy(loop);
  Shot shot(loop);
  loop.ready(busy);
  loop.timers().set(shot, after(loop.now(), std::chrono::milliseconds(2)));
  loop.run();
  EXPECT_GT(busy.runs, 256);
}

// Queues itself again, for the next turn.
class TurnEnder final : public Ready {
 public:
  explicit TurnEnder(Loop& loop) : loop_(loop) {}
  void run() override {
    turns.push_back(loop_.record().sequence.load());
    if (turns.size() == 3) {
      loop_.stop();
      return;
    }
    loop_.ready(*this);
    loop_.end_turn();
  }
  std::vector<std::uint64_t> turns;

 private:
  Loop& loop_;
};

TEST(Loop, ANodeThatEndsItsTurnComesAgainInTheNext) {
  const auto turns_on = [](std::unique_ptr<Driver> driver) {
    Loop loop(std::move(driver));
    TurnEnder node(loop);
    loop.ready(node);
    loop.run();
    return node.turns;
  };
  for (const bool simulated : {false, true}) {
    SCOPED_TRACE(simulated);
    const auto turns =
        simulated ? turns_on(std::make_unique<SimulatedDriver>()) : turns_on(make_default_driver());
    ASSERT_EQ(turns.size(), 3U);
    EXPECT_LT(turns[0], turns[1]);
    EXPECT_LT(turns[1], turns[2]);
  }
}

TEST(SignalWatch, CallsBackOnTheLoopAndRestores) {
  const auto before = std::signal(SIGUSR1, SIG_IGN);
  Loop loop(make_default_driver());
  int told = 0;
  {
    SignalWatch watch(loop, {SIGUSR1, SIGUSR2}, [&](int number) {
      told = number;
      loop.stop();
    });
    ::raise(SIGUSR1);
    EXPECT_EQ(told, 0) << "not inside the handler";
    loop.run();
    EXPECT_EQ(told, SIGUSR1);
    ::raise(SIGUSR2);
    loop.run();
    EXPECT_EQ(told, SIGUSR2);
    EXPECT_THROW(SignalWatch(loop, {SIGHUP, SIGUSR1}, [](int) {}), UsageError);
  }
  EXPECT_EQ(std::signal(SIGUSR1, before), SIG_IGN);
  SignalWatch again(loop, {SIGHUP}, [](int) {});  // what the failed watch took is free again
}

TEST(SignalWatch, TheSecondOneEndsTheProcess) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Loop loop(make_default_driver());
    int told = 0;
    SignalWatch watch(loop, {SIGTERM}, [&](int) { ++told; });
    ::raise(SIGTERM);
    loop.turn(true);
    if (told == 1) ::raise(SIGTERM);
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(SignalWatch, DoesNothingInSimulation) {
  Loop loop(std::make_unique<SimulatedDriver>());
  const auto before = std::signal(SIGUSR1, SIG_IGN);
  SignalWatch watch(loop, {SIGUSR1}, [](int) { FAIL(); });
  EXPECT_EQ(std::signal(SIGUSR1, before), SIG_IGN);
}

}  // namespace
