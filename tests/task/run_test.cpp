// run, run_main, background work, and what the loop's own errors leave behind.

#include <csignal>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/task/every.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/queue.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::error_of;

Task<int> value(int number) {
  co_await yield();
  co_return number;
}
Task<int> broken() {
  co_await yield();
  throw Error("cannot read the ledger");
}
Task<> forever() { co_await sleep(std::chrono::hours(1000)); }

TEST(Run, GivesTheResultOrThrowsTheError) {
  EXPECT_EQ(run(value(3)), 3);
  EXPECT_EQ(error_of([] { run(broken()); }), "cannot read the ledger");
}

TEST(Run, WithinARunIsAUsageError) {
  const std::string message = error_of([] {
    run([]() -> Task<> {
      run(value(1));
      co_return;
    }());
  });
  EXPECT_NE(message.find("already runs a loop"), std::string::npos) << message;
}

TEST(Run, OffAnyLoopNamesWhatIsMissing) {
  const std::string message = error_of([] { static_cast<void>(sleep(1ms)); });
  EXPECT_NE(message.find("no loop runs on this thread"), std::string::npos) << message;
  EXPECT_NE(error_of([] { background(); }).find("background()"), std::string::npos);
}

TEST(Run, APostedFunctionThatThrowsEndsTheRunInOrder) {
  const std::ptrdiff_t before = frame_memory::live_blocks();
  bool cleaned_up = false;
  const std::string message = error_of([&] {
    run([](bool& cleaned) -> Task<> {
      background().start(forever);
      Loop::current().post([] { throw std::runtime_error("posted in error"); });
      try {
        co_await timeout(std::chrono::hours(1), forever());
      } catch (const Cancelled&) {
        cleaned = true;
        throw;
      }
    }(cleaned_up));
  });
  EXPECT_EQ(message, "posted in error");
  EXPECT_TRUE(cleaned_up);
  EXPECT_EQ(frame_memory::live_blocks(), before);
  EXPECT_EQ(run(value(3)), 3);
}

TEST(Run, AStuckSimulationSaysSo) {
  const std::ptrdiff_t before = frame_memory::live_blocks();
  const std::string message = error_of([] {
    sim::run({}, []() -> Task<> {
      Event never_set;
      Queue<int> never_filled;
      background().start([&] { return never_filled.get(); });
      co_await gather(never_set.wait(), never_filled.get());
    });
  });
  EXPECT_NE(message.find("the simulation is stuck"), std::string::npos) << message;
  EXPECT_EQ(frame_memory::live_blocks(), before);
  EXPECT_THROW(background(), UsageError);
}

int background_starts = 0;
int background_ends = 0;

TEST(Background, IsCancelledAndAwaitedAtTheEnd) {
  tests::on_both_drivers([]() -> Task<> {
    ++background_starts;
    background().start([]() -> Task<> {
      try {
        co_await forever();
      } catch (const Cancelled&) {
        ++background_ends;
        throw;
      }
    });
    co_await yield();
    co_await yield();
  });
  EXPECT_GT(background_starts, 0);
  EXPECT_EQ(background_ends, background_starts);
}

TEST(Background, ACancelledTaskThatIsDueRunsOnToItsNextAwait) {
  int ticks = 0;
  sim::run({}, [&]() -> Task<> {
    const auto tick = [&] { return every(10ms, [&] { ++ticks; }); };
    const auto ticker = background().start(tick);
    co_await sleep(10ms);  // the ticker is due as well, and comes after this
    EXPECT_EQ(ticks, 1);
    ticker.cancel();
    EXPECT_FALSE(ticker.ended());
  });
  EXPECT_EQ(ticks, 2);
}

TEST(Background, AnErrorIsThrownByTheRun) {
  const std::string message = error_of([] {
    run([]() -> Task<> {
      background().start(broken);
      co_await sleep(1ms);
    }());
  });
  EXPECT_EQ(message, "cannot read the ledger");
}

TEST(ThreadPost, FromManyThreadsArrivesOnce) {
  run([]() -> Task<> {
    Queue<int> received;
    std::vector<std::thread> threads;
    Loop& loop = Loop::current();
    for (int thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&loop, &received] {
        for (int i = 1; i <= 1000; ++i) {
          loop.post([&received, i] {
            int item = i;
            received.try_put(item);
          });
        }
      });
    }
    std::int64_t sum = 0;
    for (int i = 0; i < 8000; ++i) {
      const auto item = co_await received.get();
      sum += *item;
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(sum, 8 * 500'500);
    EXPECT_EQ(received.size(), 0U);
  }());
}

// What a program that is only run_main(...) does: its exit status and what it printed.
struct Ended {
  int status;
  std::string error_output;
};

Ended run_program(const std::function<int()>& program) {
  int pipe_ends[2];
  EXPECT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(pipe_ends[1], STDERR_FILENO);
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
    ::_exit(program());
  }
  ::close(pipe_ends[1]);
  std::string text;
  char buffer[1000];
  ssize_t count = 0;
  while ((count = ::read(pipe_ends[0], buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(pipe_ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), text};
}

Task<> signalled(int number) {
  ::raise(number);
  co_await forever();
}
Task<> stubborn() {
  ::raise(SIGINT);
  co_await shielded(yield());
  ::raise(SIGINT);
  co_await shielded(forever());
}

TEST(RunMain, GivesTheExitStatus) {
  EXPECT_EQ(run_program([] { return run_main(value(7)); }).status, 7);
  EXPECT_EQ(run_program([] { return run_main([]() -> Task<> { co_await yield(); }()); }).status, 0);
  EXPECT_EQ(run_program([] { return run_main(signalled(SIGINT)); }).status, 130);
  EXPECT_EQ(run_program([] { return run_main(signalled(SIGTERM)); }).status, 143);
}

TEST(RunMain, PrintsAnUncaughtErrorWithItsAwaitChain) {
  const Ended ended =
      run_program([] { return run_main([]() -> Task<int> { co_return co_await broken(); }()); });
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.error_output.find("error: cannot read the ledger\n"), 0U);
  EXPECT_NE(ended.error_output.find("broken()"), std::string::npos) << ended.error_output;
  EXPECT_NE(ended.error_output.find("run_test.cpp:"), std::string::npos) << ended.error_output;
}

TEST(RunMain, ASecondInterruptEndsTheProcess) {
  EXPECT_EQ(run_program([] { return run_main(stubborn()); }).status, -SIGINT);
}

TEST(RunMain, APostedFunctionThatThrowsIsReported) {
  const Ended ended = run_program([] {
    return run_main([]() -> Task<> {
      Loop::current().post([] { throw std::runtime_error("posted in error"); });
      co_await forever();
    }());
  });
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.error_output.find("error: posted in error\n"), 0U) << ended.error_output;
}

}  // namespace
}  // namespace clearway
