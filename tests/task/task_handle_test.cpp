// Awaiting a handle: a name gives a reference, a temporary gives the result.

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <clearway/base/error.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/task_group.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::on_both_drivers;

static_assert(std::is_same_v<await_result_t<TaskHandle<std::string>>, std::string>);
static_assert(std::is_same_v<await_result_t<TaskHandle<int&>>, int&>);
static_assert(std::is_void_v<await_result_t<TaskHandle<>>>);

// Longer than what a string keeps within itself.
const std::string long_text = "a result that is longer than any small buffer of a string";

Task<std::string> text() {
  co_await yield();
  co_return long_text;
}
Task<std::unique_ptr<std::string>> pointer() {
  co_await yield();
  co_return std::make_unique<std::string>(long_text);
}
Task<> nothing() { co_await yield(); }
Task<> forever() { co_await sleep(std::chrono::hours(1000)); }

TEST(TaskHandle, ATemporaryGivesAValue) {
  on_both_drivers([]() -> Task<> {
    co_await task_group([](TaskGroup& group) -> Task<> {
      auto&& value = co_await group.start(text);
      static_assert(std::is_same_v<decltype(value), std::string&&>);
      co_await yield();
      EXPECT_EQ(value, long_text);
      const auto owned = co_await group.start(pointer);
      EXPECT_EQ(*owned, long_text);
      co_await group.start(nothing);
    });
  });
}

TEST(TaskHandle, ANameGivesAReferenceAndKeepsTheResult) {
  on_both_drivers([]() -> Task<> {
    co_await task_group([](TaskGroup& group) -> Task<> {
      auto handle = group.start(text);
      auto& first = co_await handle;
      auto& second = co_await handle;
      EXPECT_EQ(&first, &second);
      first += "!";
      EXPECT_EQ(co_await handle, long_text + "!");
    });
  });
}

TEST(TaskHandle, ARvalueIsCopiedWhereOthersReferToIt) {
  on_both_drivers([]() -> Task<> {
    co_await task_group([](TaskGroup& group) -> Task<> {
      auto handle = group.start(text);
      const auto other = handle;
      EXPECT_EQ(co_await std::move(handle), long_text);
      EXPECT_EQ(co_await other, long_text);
      auto last = group.start(text);
      const std::string taken = co_await std::move(last);
      EXPECT_EQ(taken, long_text);
      EXPECT_EQ(co_await last, "") << "the only handle: it was moved out";  // NOLINT
    });
  });
}

TEST(TaskHandle, GathersHandles) {
  on_both_drivers([]() -> Task<> {
    co_await task_group([](TaskGroup& group) -> Task<> {
      const auto first = group.start(text);
      const auto results = co_await gather(first, group.start(pointer), group.start(nothing));
      EXPECT_EQ(std::get<0>(results), long_text);
      EXPECT_EQ(*std::get<1>(results), long_text);
      EXPECT_EQ(co_await first, long_text);
    });
  });
}

TEST(TaskHandle, ATemporaryThrowsTheChildsErrorOrSaysThatItWasCancelled) {
  on_both_drivers([]() -> Task<> {
    std::vector<std::string> messages;
    std::optional<TaskHandle<>> endless;
    const auto wait = [&]() -> Task<> {
      try {
        co_await TaskHandle<>(*endless);
      } catch (const UsageError& error) {
        messages.emplace_back(error.what());
      }
    };
    co_await task_group([&](TaskGroup& group) -> Task<> {
      endless.emplace(group.start(forever));
      group.start(wait);
      co_await sleep(1ms);
      endless->cancel();
    });
    EXPECT_EQ(messages.size(), 1U);
    const auto failing = [&]() -> Task<> {
      co_await task_group([](TaskGroup& group) -> Task<> {
        const auto fails = []() -> Task<int> {
          co_await yield();
          throw Error("no such file");
        };
        static_cast<void>(co_await group.start(fails));
      });
    };
    const auto result = co_await as_result(failing());
    EXPECT_EQ(result.message(), "no such file");
  });
}

TEST(TaskHandle, CancellationExhaustionOfWaits) {
  sim::exhaust_cancellation([](sim::Stage& stage) -> Task<> {
    int ended = 0;
    co_await task_group([&](TaskGroup& group) -> Task<> {
      const auto child = [&]() -> Task<std::string> {
        co_await sleep(1ms);
        ++ended;
        co_return long_text;
      };
      const auto named = group.start(child);
      const auto waits = [&]() -> Task<std::string> {
        EXPECT_EQ(co_await named, long_text);
        co_return co_await group.start(child);
      };
      const auto outcome = co_await stage.run(waits());
      EXPECT_TRUE(!outcome.has_value() || *outcome == long_text);
      EXPECT_EQ(co_await named, long_text) << "a cancelled wait leaves the child running";
    });
    EXPECT_GE(ended, 1);
  });
}

}  // namespace
}  // namespace clearway
