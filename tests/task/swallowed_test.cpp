// Tasks that do not let Cancelled pass are named in the log.

#include <string>
#include <vector>

#include <clearway/base/log.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/task_group.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;

std::vector<std::string>* lines = nullptr;

class Recorded {
 public:
  Recorded() : before_(log::set_sink(record)) { lines = &lines_; }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;
  ~Recorded() {
    log::set_sink(before_);
    lines = nullptr;
  }
  [[nodiscard]] const std::vector<std::string>& all() const { return lines_; }

 private:
  static void record(log::Level level, std::string_view module, std::string_view message) {
    EXPECT_EQ(level, log::Level::warning);
    lines->push_back(std::string(module) + ": " + std::string(message));
  }
  std::vector<std::string> lines_;
  log::Sink before_;
};

Task<> stubborn(int times) {
  for (int count = 0; count < times; ++count) {
    try {
      co_await timeout(1s, sleep(1h));
    } catch (const Cancelled&) {
      continue;
    }
  }
}

TEST(Swallowed, ATaskThatGoesOnIsNamedOnce) {
  const Recorded log;
  sim::run({}, []() -> Task<> {
    const auto group = [](TaskGroup& children) -> Task<> {
      children.start(stubborn, 5000).set_name("watcher");
      co_await yield();
      co_await yield();
      children.cancel();
    };
    co_await task_group(group);
  });
  ASSERT_EQ(log.all().size(), 1U);
  const std::string& line = log.all().front();
  EXPECT_EQ(line.find("task: a task has swallowed Cancelled 1000 times"), 0U) << line;
  EXPECT_NE(line.find("stubborn(int) \"watcher\" at swallowed_test.cpp:"), std::string::npos)
      << line;
}

TEST(Swallowed, BelowTheRootToo) {
  const Recorded log;
  sim::run({}, []() -> Task<> { co_await move_on_after(0ms, stubborn(1500)); });
  EXPECT_EQ(log.all().size(), 1U);
}

TEST(Swallowed, ManyTasksThatCleanUpAreNotReported) {
  const Recorded log;
  sim::run({}, []() -> Task<> {
    const auto polite = [](int) -> Task<> {
      try {
        co_await sleep(1h);
      } catch (const Cancelled&) {
      }
      co_await sleep(1ms);  // cancelled again, and passes
    };
    const auto range = std::views::iota(0, 3000);
    co_await move_on_after(1ms, gather(range, polite));
    for (int round = 0; round < 3000; ++round) co_await move_on_after(0ms, polite(1));
    co_await move_on_after(0ms, stubborn(900));
    co_await move_on_after(0ms, stubborn(900));
  });
  EXPECT_TRUE(log.all().empty()) << log.all().front();
}

}  // namespace
}  // namespace clearway
