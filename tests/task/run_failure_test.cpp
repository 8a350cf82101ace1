// Loops that fail more than once on the way out: every frame still ends before its loop.

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <sys/wait.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::error_of;

void fail(const char* message) {
  Loop::current().post([message] { throw std::runtime_error(message); });
}

// Fails once, and twice more while it cleans up.
Task<> failing_thrice(bool& cleaned_up) {
  fail("first");
  const auto cleanup = [&]() -> Task<> {
    fail("second");
    co_await sleep(1ms);
    fail("third");
    co_await sleep(1ms);
    cleaned_up = true;
  };
  co_await finally(sleep(std::chrono::hours(1)), cleanup);
}

// Cannot end: each turn of the loop fails.
Task<> failing_for_ever() {
  const auto again = [](auto& self) -> void {
    Loop::current().post([&self] {
      self(self);
      throw std::runtime_error("once more");
    });
  };
  again(again);
  co_await shielded(sleep(std::chrono::hours(1)));
}

TEST(RunFailure, CleanupsRunHoweverOftenTheLoopFails) {
  const std::ptrdiff_t before = frame_memory::live_blocks();
  bool cleaned_up = false;
  bool background_too = false;
  const auto body = [&]() -> Task<> {
    background().start(failing_thrice, std::ref(background_too));
    co_await failing_thrice(cleaned_up);
  };
  EXPECT_EQ(error_of([&] { run(body()); }), "first");
  EXPECT_TRUE(cleaned_up);
  EXPECT_TRUE(background_too);
  EXPECT_EQ(frame_memory::live_blocks(), before);
}

TEST(RunFailure, WhatIsNoStandardExceptionEndsTheRunInOrderToo) {
  const std::ptrdiff_t before = frame_memory::live_blocks();
  const auto body = []() -> Task<> {
    Loop::current().post([] { throw 7; });
    co_await timeout(1h, sleep(1h));
  };
  EXPECT_THROW(run(body()), int);
  EXPECT_EQ(frame_memory::live_blocks(), before);
}

TEST(RunFailure, AStuckSimulationWhoseCleanupIsStuckToo) {
  const std::ptrdiff_t before = frame_memory::live_blocks();
  const std::string message = error_of([] {
    sim::run({}, []() -> Task<> {
      Event never_set;
      std::optional<TaskHandle<>> handle;
      handle.emplace(background().start([&]() -> Task<> { co_await shielded(never_set.wait()); }));
      co_await shielded(never_set.wait());
    });
  });
  EXPECT_NE(message.find("the simulation is stuck"), std::string::npos) << message;
  EXPECT_EQ(frame_memory::live_blocks(), before);
}

TEST(RunFailure, ALoopThatKeepsFailingIsGivenUp) {
  const std::ptrdiff_t before = frame_memory::live_blocks();
  EXPECT_EQ(error_of([] { run(failing_for_ever()); }), "once more");
  EXPECT_EQ(frame_memory::live_blocks(), before);
}

// In a process of its own: the status of run_main().
template <class Program>
int status_of(Program program) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(program());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(RunFailure, RunMainSurvivesALoopThatKeepsFailing) {
  EXPECT_EQ(status_of([] { return run_main(failing_for_ever()); }), 1);
  EXPECT_EQ(status_of([] {
              bool cleaned_up = false;
              const int status = run_main(failing_thrice(cleaned_up));
              return cleaned_up ? status : 99;
            }),
            1);
}

}  // namespace
}  // namespace clearway
