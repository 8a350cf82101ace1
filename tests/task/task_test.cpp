// Task: results of every kind, exceptions, and the depth of the stack.

#include <memory>
#include <stdexcept>
#include <string>

#include <clearway/task/gather.hpp>
#include <clearway/task/race.hpp>
#include <clearway/task/sleep.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::on_both_drivers;

Task<int> number(int value) { co_return value; }
Task<int> late_number(int value) {
  co_await sleep(1ms);
  co_return value;
}
Task<std::string> text(std::string value) {
  co_await yield();
  co_return value;
}
Task<std::unique_ptr<int>> move_only(int value) { co_return std::make_unique<int>(value); }
Task<int&> reference(int& value) {
  co_await yield();
  co_return value;
}
Task<bool> truth() { co_return true; }
Task<> nothing() { co_return; }
Task<int> failing(std::string message) {
  co_await yield();
  throw std::runtime_error(message);
}

TEST(Task, GivesResultsOfEveryKind) {
  on_both_drivers([]() -> Task<> {
    EXPECT_EQ(co_await number(1), 1);
    EXPECT_EQ(co_await late_number(2), 2);
    EXPECT_EQ(co_await text("three"), "three");
    const auto pointer = co_await move_only(4);
    EXPECT_EQ(*pointer, 4);
    int five = 0;
    int& again = co_await reference(five);
    again = 5;
    EXPECT_EQ(five, 5);
    const bool six = co_await truth();
    EXPECT_TRUE(six);
    co_await nothing();
  });
}

TEST(Task, ThrowsWhatItsCoroutineThrew) {
  on_both_drivers([]() -> Task<> {
    std::string caught;
    try {
      co_await failing("the disk is full");
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    EXPECT_EQ(caught, "the disk is full");
  });
}

TEST(Task, ThrowsWhatIsNoStandardException) {
  on_both_drivers([]() -> Task<> {
    const auto thrower = []() -> Task<> {
      co_await yield();
      throw 42;
    };
    int caught = 0;
    try {
      co_await thrower();
    } catch (int value) {
      caught = value;
    }
    EXPECT_EQ(caught, 42);
  });
}

struct Counted {
  explicit Counted(int& alive) : alive(&alive) { ++alive; }
  Counted(Counted&& other) noexcept : alive(other.alive) { ++*alive; }
  Counted(const Counted& other) : alive(other.alive) { ++*alive; }
  ~Counted() { --*alive; }
  int* alive;
};

Task<Counted> pass_on(Counted value) {
  co_await yield();
  co_return value;
}

TEST(Task, DestroysParametersAndResultsOnce) {
  on_both_drivers([]() -> Task<> {
    int alive = 0;
    {
      const Counted result = co_await pass_on(Counted(alive));
      EXPECT_EQ(alive, 1);
    }
    EXPECT_EQ(alive, 0);
    Counted kept(alive);
    const auto by_reference = [](Counted& value) -> Task<> {
      co_await yield();
      EXPECT_EQ(*value.alive, 1);
    };
    co_await by_reference(kept);
  });
}

TEST(Task, IsNotRunUntilAwaited) {
  on_both_drivers([]() -> Task<> {
    bool ran = false;
    const auto body = [&]() -> Task<> {
      ran = true;
      co_return;
    };
    {
      [[maybe_unused]] auto forgotten = body();
    }
    EXPECT_FALSE(ran);
    co_await body();
    EXPECT_TRUE(ran);
  });
}

// A stack of 8 MB overflows long before a million levels.
constexpr int million = 1'000'000;

TEST(Depth, AMillionReadyAwaitsStayFlat) {
  run([]() -> Task<> {
    std::int64_t sum = 0;
    for (int i = 0; i < million; ++i) sum += co_await number(1);
    EXPECT_EQ(sum, million);
  }());
}

TEST(Depth, AMillionReadyGathersAndRacesStayFlat) {
  run([]() -> Task<> {
    std::int64_t sum = 0;
    for (int i = 0; i < million / 2; ++i) {
      const auto both = co_await gather(number(1), number(2));
      sum += std::get<0>(both);
    }
    for (int i = 0; i < million / 2; ++i) {
      const auto first = co_await race(number(1), number(2));
      sum += *std::get<0>(first);
      EXPECT_FALSE(std::get<1>(first).has_value());
    }
    EXPECT_EQ(sum, million);
  }());
}

TEST(Depth, AGatherOverAMillionStaysFlat) {
  run([]() -> Task<> {
    const auto range = std::views::iota(0, million);
    const auto results = co_await gather(range, number);
    EXPECT_EQ(results.size(), static_cast<std::size_t>(million));
    EXPECT_EQ(results.back(), million - 1);
    const auto limited = co_await gather(range, number, {.limit = 1});
    EXPECT_EQ(limited.size(), static_cast<std::size_t>(million));
  }());
}

TEST(Depth, AwaitsThatSuspendStayFlat) {
  run([]() -> Task<> {
    const auto yielding = []() -> Task<> { co_await yield(); };
    for (int i = 0; i < 100'000; ++i) co_await yielding();
  }());
}

// Each level awaits the next; the last suspends, and all complete on the way back.
Task<int> chain(int depth) {
  if (depth == 0) {
    co_await yield();
    co_return 0;
  }
  co_return 1 + co_await chain(depth - 1);
}

TEST(Depth, AChainOfCompletionsStaysFlat) {
  run([]() -> Task<> { EXPECT_EQ(co_await chain(2000), 2000); }());
}

}  // namespace
}  // namespace clearway
