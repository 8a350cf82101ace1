// What is easily forgotten says so: a task that nobody awaits, the seed of an expectation.

#include <cstdio>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/base/log.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/sleep.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string>& lines() {
  static std::vector<std::string> all;
  return all;
}
class Logged {
 public:
  Logged()
      : before_(log::set_sink([](log::Level, std::string_view, std::string_view message) {
          lines().emplace_back(message);
        })) {
    lines().clear();
  }
  Logged(const Logged&) = delete;
  Logged& operator=(const Logged&) = delete;
  ~Logged() { log::set_sink(before_); }

 private:
  log::Sink before_;
};

Task<int> forgotten() { co_return 1; }
Task<int> awaited() { co_return 1; }
[[noreturn]] void fail() { throw Error("between a call and its await"); }
Task<int> unwound() { co_return 1; }

TEST(Forgotten, ATaskThatNobodyAwaitsIsReportedOnce) {
  const Logged logged;
  for (int count = 0; count < 3; ++count) {
    const auto pending = forgotten();
  }
  EXPECT_THAT(lines(), ElementsAre(AllOf(HasSubstr("never awaited"), HasSubstr("forgotten()"),
                                         HasSubstr("forgotten_test.cpp:"))));
}

TEST(Forgotten, WhatWasAwaitedOrHandedOnIsNot) {
  const Logged logged;
  tests::on_both_drivers([]() -> Task<> {
    const int one = co_await awaited();
    const auto [two, three] = co_await gather(awaited(), awaited());
    EXPECT_EQ(one + two + three, 3);
  });
  try {
    const auto pending = unwound();
    fail();
  } catch (const Error&) {
    EXPECT_THAT(lines(), IsEmpty());
  }
}

// In a child, since an expectation has to fail.
TEST(Forgotten, TheSeedOfAnExpectationThatFails) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    static_cast<void>(std::freopen("/dev/null", "w", stdout));
    int runs = 0;
    const std::string problem = tests::error_of([&] {
      sim::run_seeds(10, [&]() -> Task<> {
        co_await yield();
        EXPECT_LT(++runs, 3);
      });
    });
    static_cast<void>(::write(ends[1], problem.data(), problem.size()));
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string problem(1'000, ' ');
  const ssize_t size = ::read(ends[0], problem.data(), problem.size());
  ::close(ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  problem.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  EXPECT_THAT(problem, HasSubstr("seed 3: an expectation failed"));
  EXPECT_THAT(problem, HasSubstr("CLEARWAY_SEED=3 CLEARWAY_SEEDS=1"));
}

}  // namespace
}  // namespace clearway
