// A loop that is blocked in five ways, each until its report has come.

#include <clearway/inspect/watchdog.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <clearway/inspect/capture.hpp>
#include <clearway/inspect/tasks.hpp>
#include <clearway/loop/epoll_driver.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/task_group.hpp>

#include <csignal>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TESTED_WITH_TSAN 1
#endif
#endif
#ifndef TESTED_WITH_TSAN
#define TESTED_WITH_TSAN 0
#endif

namespace watchdog_test {

using namespace clearway;
using namespace std::chrono_literals;
using inspect::StallReport;

// ThreadSanitizer delivers signals when the thread next asks for something, and a busy one does
// not.
constexpr bool stacks = TESTED_WITH_TSAN == 0;

// What the watchdog has said, and who waits for that.
struct Reports {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<StallReport> all;
  std::function<void()> release;  // lets the loop go on
  std::atomic<int> count = 0;

  void take(const StallReport& report) {
    const std::lock_guard lock(mutex);
    all.push_back(report);
    ++count;
    changed.notify_all();
    if (release) release();
  }
};
Reports* reports = nullptr;

// Kept for good: whoever reported may not have left take() yet when the test has ended.
Reports& more_reports() {
  static std::deque<Reports> all;
  return all.emplace_back();
}

class WatchdogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    reports = &reports_;
    reports_before_ = inspect::stall_counts().reports;
    before_ = inspect::watch_options();
    inspect::set_stall_sink([](const StallReport& report) { reports->take(report); });
    watch_with(often());
  }
  // Names are looked up on another thread: what was reported may still be on its way.
  void settle() {
    while (reports_.count < static_cast<int>(inspect::stall_counts().reports - reports_before_)) {
      std::this_thread::yield();
    }
    const std::lock_guard left(reports_.mutex);  // and has left take()
  }
  // The next report is the first.
  void forget_reports() {
    settle();
    reports_.all.clear();
    reports_.count = 0;
    reports_before_ = inspect::stall_counts().reports;
  }
  void TearDown() override {
    settle();
    inspect::WatchOptions off;
    off.threshold = Duration::zero();
    inspect::set_watch_options(off);
    inspect::set_stall_sink(nullptr);
    inspect::set_watch_options(before_);
  }
  // All tests of this program are in one minute.
  static inspect::WatchOptions often() {
    inspect::WatchOptions options;
    options.reports_per_minute = 10'000;
    return options;
  }
  void watch_with(inspect::WatchOptions options) {
    options.threshold = 20ms;
    inspect::set_watch_options(options);
  }
  // Blocks a loop, in a task with a name, and gives the first report.
  StallReport report_of(void (*block)()) {
    run(
        [](void (*function)()) -> Task<> {
          co_await task_group([&](TaskGroup& group) -> Task<> {
            const auto work = [](void (*call)()) -> Task<> {
              co_await yield();
              call();
            };
            group.start(work, function).set_name("culprit");
            co_return;
          });
        }(block),
        std::make_unique<EpollDriver>());
    const std::lock_guard lock(reports_.mutex);
    if (reports_.all.empty()) return {};
    return reports_.all.front();
  }
  void expect_stack(const StallReport& report, std::string_view function) {
    if (!stacks) return;
    const bool found =
        std::any_of(report.stack.begin(), report.stack.end(), [&](const inspect::StackFrame& at) {
          return at.function.find(function) != std::string::npos &&
                 at.at.file.ends_with("watchdog_test.cpp") && at.at.line > 0;
        });
    EXPECT_TRUE(found) << inspect::to_text(report);
  }

  Reports& reports_ = more_reports();
  std::uint64_t reports_before_ = 0;
  inspect::WatchOptions before_;
};

[[gnu::noinline]] void spin() {
  while (reports->count == 0) {
  }
}
[[gnu::noinline]] void sleep_in_the_kernel() {
  while (reports->count == 0) {
    const timespec time{0, 50'000'000};
    ::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
  }
}
int pipe_ends[2];
[[gnu::noinline]] void read_a_pipe() {
  char byte = 0;
  while (::read(pipe_ends[0], &byte, 1) < 0) {
  }
}
std::mutex contended;
[[gnu::noinline]] void take_a_lock() { const std::lock_guard lock(contended); }
[[gnu::noinline]] void sort_numbers() {
  std::vector<unsigned> numbers(200'000);
  std::mt19937 random(1);
  while (reports->count == 0) {
    std::generate(numbers.begin(), numbers.end(), random);
    std::sort(numbers.begin(), numbers.end());
  }
}

TEST_F(WatchdogTest, ABusyLoop) {
  const StallReport report = report_of(spin);
  EXPECT_EQ(report.task, "\"culprit\"");
  EXPECT_TRUE(report.activity == "burns CPU") << report.activity;
  EXPECT_GE(report.blocked, 20ms);
  ASSERT_FALSE(report.await_chain.empty());
  EXPECT_TRUE(report.await_chain.front().at.file.ends_with("watchdog_test.cpp"));
  expect_stack(report, "spin");
}

TEST_F(WatchdogTest, ASleep) {
  const StallReport report = report_of(sleep_in_the_kernel);
  EXPECT_EQ(report.activity, "sleeps in nanosleep()");
  expect_stack(report, "sleep_in_the_kernel");
}

TEST_F(WatchdogTest, AReadOfAPipe) {
  ASSERT_EQ(::pipe(pipe_ends), 0);
  reports_.release = [] { static_cast<void>(::write(pipe_ends[1], "x", 1)); };
  const StallReport report = report_of(read_a_pipe);
  EXPECT_TRUE(report.activity.starts_with("sleeps in read() on descriptor " +
                                          std::to_string(pipe_ends[0]) + " (pipe:["))
      << report.activity;
  expect_stack(report, "read_a_pipe");
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

TEST_F(WatchdogTest, ALock) {
  std::mutex& mutex = contended;
  std::atomic<bool> held = false;
  std::thread other([&] {
    const std::lock_guard lock(mutex);
    held = true;
    std::unique_lock wait(reports_.mutex);
    reports_.changed.wait(wait, [&] { return reports_.count > 0; });
  });
  while (!held) std::this_thread::yield();
  const StallReport report = report_of(take_a_lock);
  other.join();
  EXPECT_TRUE(report.activity.starts_with("sleeps in futex()")) << report.activity;
  expect_stack(report, "take_a_lock");
}

TEST_F(WatchdogTest, ALargeSort) {
  const StallReport report = report_of(sort_numbers);
  EXPECT_EQ(report.activity, "burns CPU");
  expect_stack(report, "sort_numbers");
  const std::string text = inspect::to_text(report);
  EXPECT_NE(text.find("by task \"culprit\": it burns CPU"), std::string::npos) << text;
}

TEST_F(WatchdogTest, WithoutSignalsTheRestIsThere) {
  inspect::WatchOptions options = often();
  options.signal = false;
  watch_with(options);
  const StallReport report = report_of(spin);
  EXPECT_TRUE(report.stack.empty());
  EXPECT_NE(inspect::to_text(report).find("signal=off"), std::string::npos);
  EXPECT_EQ(report.task, "\"culprit\"");
}

TEST_F(WatchdogTest, ALongStallIsReportedEverMoreRarely) {
  const auto stay = [] {
    while (reports->count < 3) {
    }
  };
  const inspect::StallCounts before = inspect::stall_counts();
  static_cast<void>(report_of(stay));
  const inspect::StallCounts after = inspect::stall_counts();
  EXPECT_EQ(after.stalls - before.stalls, 1U);
  EXPECT_GE(after.reports - before.reports, 3U);
  ASSERT_GE(reports_.all.size(), 3U);
  // Twice as long, but for the moment between the turn's beginning and the call's.
  const auto own = [](const StallReport& report) { return report.blocked - report.starved; };
  EXPECT_GE(2 * own(reports_.all[1]), 3 * own(reports_.all[0]));
  EXPECT_GE(2 * own(reports_.all[2]), 3 * own(reports_.all[1]));
}

TEST_F(WatchdogTest, MostReportsOfAMinuteAreCountedOnly) {
  inspect::WatchOptions options;
  options.reports_per_minute = 0;
  watch_with(options);
  const inspect::StallCounts before = inspect::stall_counts();
  const auto stay = [] {
    static const auto left_out = [] { return inspect::stall_counts().left_out; };
    const auto first = left_out();
    while (left_out() == first) {
    }
  };
  static_cast<void>(report_of(stay));
  EXPECT_TRUE(reports_.all.empty());
  EXPECT_EQ(inspect::stall_counts().reports, before.reports);
}

// How long this thread has stood still at most, as it is seen from the thread itself: on a busy
// machine it may have been without a processor for longer than the threshold.
class Stillness {
 public:
  void look() {
    const auto now = std::chrono::steady_clock::now();
    longest_ = std::max(longest_, now - last_);
    last_ = now;
  }
  [[nodiscard]] bool excuses_a_report() const { return longest_ >= 10ms; }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration longest_{};
};

// Many tasks that are quick are no one call that is slow; only their turn is long.
TEST_F(WatchdogTest, ALoopThatTurnsIsNotBlocked) {
  Stillness stillness;
  const auto turns = [&]() -> Task<> {
    for (const Instant end = loop_time() + 60ms; loop_time() < end; stillness.look()) {
      co_await yield();
    }
  };
  run(turns(), std::make_unique<EpollDriver>());
  EXPECT_TRUE(reports_.count == 0 || stillness.excuses_a_report());
}

TEST_F(WatchdogTest, OneLoopAfterTheOtherIsNotOneLoop) {
  Stillness stillness;
  const auto end = std::chrono::steady_clock::now() + 60ms;
  while (std::chrono::steady_clock::now() < end) {
    run([]() -> Task<> { co_return; }(), std::make_unique<EpollDriver>());
    stillness.look();
  }
  EXPECT_TRUE(reports_.count == 0 || stillness.excuses_a_report());
}

// The turn goes on from the one to the other.
TEST_F(WatchdogTest, TwoThatBlockInOneTurnAreTwoReports) {
  const auto seen = [](std::string_view task) {
    const std::lock_guard lock(reports->mutex);
    return std::any_of(reports->all.begin(), reports->all.end(),
                       [&](const StallReport& report) { return report.task == task; });
  };
  const auto block = [&](std::string own) -> Task<> {
    while (!seen(own)) {
    }
    co_return;
  };
  const auto both = [&]() -> Task<> {
    co_await task_group([&](TaskGroup& group) -> Task<> {
      group.start(block, "\"first\"").set_name("first");
      group.start(block, "\"second\"").set_name("second");
      co_return;
    });
  };
  run(both(), std::make_unique<EpollDriver>());
  EXPECT_GE(reports_.count, 2);
}

TEST_F(WatchdogTest, WorkersAreWatchedAlthoughTheyBlockSignals) {
  StallReport report;
  std::thread other([&] {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    report = report_of(spin);
  });
  other.join();
  EXPECT_EQ(report.task, "\"culprit\"");
  expect_stack(report, "spin");
}

TEST_F(WatchdogTest, AThreadOfWhichProcSaysNothingIsReportedAllTheSame) {
  const StallReport report = report_of([] {
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit none{0, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    spin();
    ::setrlimit(RLIMIT_NOFILE, &before);
  });
  EXPECT_EQ(report.activity, "cannot be looked at (/proc: Too many open files)");
  EXPECT_EQ(report.task, "\"culprit\"");
}

int handled = 0;
void handle_a_signal(int) { ++handled; }
bool is_the_watchdogs(int number) {
  struct sigaction now{};
  ::sigaction(number, nullptr, &now);
  return now.sa_handler != SIG_DFL && now.sa_handler != handle_a_signal;
}

TEST_F(WatchdogTest, SignalsThatTheProgramTakesAreLeftToIt) {
  if (!stacks) GTEST_SKIP() << "ThreadSanitizer has handlers of its own";
  static_cast<void>(report_of(spin));
  int number = SIGRTMIN;
  while (number < SIGRTMAX && !is_the_watchdogs(number)) ++number;
  ASSERT_LT(number, SIGRTMAX);
  struct sigaction chosen{};
  ::sigaction(number, nullptr, &chosen);
  EXPECT_NE(chosen.sa_flags & SA_ONSTACK, 0) << "little may be left of a fiber's stack";
  EXPECT_EQ(::sigismember(&chosen.sa_mask, SIGSEGV), 0);

  handled = 0;
  ::signal(number, handle_a_signal);
  forget_reports();
  EXPECT_EQ(report_of(spin).no_stack, "the program has taken the watchdog's signal for itself");
  EXPECT_EQ(handled, 0);

  // Who blocks a signal may be going to wait for it.
  ::signal(number, SIG_DFL);
  sigset_t mine;
  ::sigemptyset(&mine);
  ::sigaddset(&mine, number);
  ::pthread_sigmask(SIG_BLOCK, &mine, nullptr);
  EXPECT_TRUE(inspect::prepare_capture());
  EXPECT_FALSE(is_the_watchdogs(number));
  ::pthread_sigmask(SIG_UNBLOCK, &mine, nullptr);
  forget_reports();
  expect_stack(report_of(spin), "spin");
}

TEST_F(WatchdogTest, AForkHasLoopsAndAWatchdogOfItsOwn) {
  if (!stacks) GTEST_SKIP() << "ThreadSanitizer lets a fork have no threads";
  static_cast<void>(report_of(spin));
  settle();
  for (int count = 0; count < 10; ++count) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(20);
      reports_.all.clear();
      reports_.count = 0;
      const bool named = report_of(spin).task == "\"culprit\"";
      for (int turn = 0; turn < 3; ++turn) run([]() -> Task<> { co_await sleep(1ms); }());
      ::_exit(named && inspect::tasks().loops.empty() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
  }
}

TEST(WatchOptionsTest, AreAsTheEnvironmentHasThem) {
  EXPECT_EQ(inspect::parse_watch_options("250ms")->threshold, 250ms);
  EXPECT_EQ(inspect::parse_watch_options("1.5s")->threshold, 1500ms);
  EXPECT_EQ(inspect::parse_watch_options("off")->threshold, 0ms);
  const auto quiet = inspect::parse_watch_options("signal=off");
  EXPECT_FALSE(quiet->signal);
  EXPECT_EQ(quiet->threshold, 100ms);
  EXPECT_EQ(inspect::parse_watch_options("20ms,signal=off")->threshold, 20ms);
  for (const char* wrong : {"250", "ms", "0ms", "-1s", "nan s", "nans", "1e9s", "soon", " "}) {
    EXPECT_FALSE(inspect::parse_watch_options(wrong)) << wrong;
  }
}

}  // namespace watchdog_test
