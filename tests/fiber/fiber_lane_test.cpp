// Fibers that take long share the turns of the loop with everybody else; and what each has for
// itself.

#include <algorithm>
#include <cfenv>
#include <memory>
#include <ranges>
#include <vector>

#include <gmock/gmock.h>
#include <clearway/fiber/fiber.hpp>
#include <clearway/fiber/lane.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using detail::FiberLane;
using namespace std::chrono_literals;

std::uint64_t turn() { return Loop::current().record().sequence.load(); }

// As libraries do between two waits; a few milliseconds.
void take_the_share_of_a_turn() {
  while (!FiberLane::share_is_over(Loop::current())) {
  }
}

TEST(FiberLane, FibersThatTakeLongBeginInTurnsOfTheirOwn) {
  tests::on_real_drivers([]() -> Task<> {
    std::vector<std::uint64_t> turns;
    const auto body = [&] {
      turns.push_back(turn());
      take_the_share_of_a_turn();
      fiber::await(yield());
    };
    const auto child = [&]() -> Task<> { co_await fiber::run(body); };
    co_await task_group([&](TaskGroup& group) -> Task<> {
      for (int number = 0; number < 5; ++number) group.start(child);
      co_return;
    });
    EXPECT_EQ(turns.size(), 5U);
    EXPECT_TRUE(std::is_sorted(turns.begin(), turns.end()));
    EXPECT_EQ(std::unique(turns.begin(), turns.end()), turns.end()) << "two in one turn";
  });
}

// They all become ready in one turn.
TEST(FiberLane, FibersThatTakeLongAfterAnAwaitGoOnInTurnsOfTheirOwn) {
  tests::on_real_drivers([]() -> Task<> {
    std::vector<std::uint64_t> turns;
    const auto body = [&] {
      fiber::await(yield());
      turns.push_back(turn());
      take_the_share_of_a_turn();
      fiber::await(yield());
    };
    const auto child = [&](int) { return fiber::run(body); };
    co_await gather(std::views::iota(0, 5), child);
    EXPECT_EQ(turns.size(), 5U);
    EXPECT_TRUE(std::is_sorted(turns.begin(), turns.end()));
    EXPECT_EQ(std::unique(turns.begin(), turns.end()), turns.end()) << "two in one turn";
  });
}

// Fibers that are left over from the turn before are not resumed before what the timers wake.
TEST(FiberLane, ATimerThatIsDueWaitsForOneFiberAtMost) {
  tests::on_real_drivers([]() -> Task<> {
    constexpr int fibers = 6;
    int done = 0;
    std::vector<int> between;
    const auto body = [&] {
      fiber::await(yield());
      const Instant end = after(loop_time(), 5ms);
      while (Loop::current().now() < end) take_the_share_of_a_turn();
      ++done;
    };
    const auto tick = [&]() -> Task<> {
      int before = 0;
      while (done < fibers) {
        co_await sleep(1ms);
        between.push_back(done - before);
        before = done;
      }
    };
    const auto child = [&](int) { return fiber::run(body); };
    co_await gather(tick(), gather(std::views::iota(0, fibers), child));
    EXPECT_THAT(between, testing::Each(testing::Le(1)));
    EXPECT_GE(between.size(), 6U);
  });
}

TEST(FiberLane, QuickFibersBeginAtOnce) {
  tests::on_real_drivers([]() -> Task<> {
    const std::uint64_t before = turn();
    for (int number = 0; number < 100; ++number) {
      const auto give = [&] { return number; };
      EXPECT_EQ(co_await fiber::run(give), number);
    }
    EXPECT_EQ(turn(), before);
  });
}

// The turn is over for fibers: what is started then, and cancelled before it has begun, finds that
// out at its first wait.
TEST(FiberLane, AFiberThatStandsInLineCanBeCancelled) {
  tests::on_real_drivers([]() -> Task<> {
    bool waited = false;
    bool refused = false;
    const auto body = [&] {
      try {
        fiber::await(yield());
        waited = true;
      } catch (const Cancelled&) {
        refused = true;
        throw;
      }
    };
    const auto child = [&]() -> Task<> { co_await fiber::run(body); };
    const auto begin = [&](TaskGroup& group) -> Task<> {
      group.start([]() -> Task<> {
        take_the_share_of_a_turn();
        co_return;
      });
      const auto handle = group.start(child);
      group.start([handle]() -> Task<> {  // right behind it: the fiber stands in line now
        handle.cancel();
        co_return;
      });
      co_return;
    };
    co_await task_group(begin);
    EXPECT_TRUE(refused);
    EXPECT_FALSE(waited);
  });
}

TEST(FiberLane, AFiberThatIsDestroyedBeforeItHasBegunDoesNotBegin) {
  bool begun = false;
  {
    Loop loop(make_default_driver());
    const LoopRecord::Busy turn_of_the_loop(loop.record(), loop.now());
    take_the_share_of_a_turn();
    const auto body = [&] { begun = true; };
    const auto task = [&]() -> Task<> { co_await fiber::run(body); };
    OwnedFrame<void> first = task().release();
    OwnedFrame<void> second = task().release();
    CancelScope scope;
    for (OwnedFrame<void>* frame : {&first, &second}) {
      frame->promise().scope = &scope;
      EXPECT_FALSE(start_inline(frame->promise()));
    }
    EXPECT_FALSE(begun);
    second.destroy();
    first.destroy();
  }
  EXPECT_FALSE(begun);
}

// A library may round in its own way while it waits; nobody else does then.
TEST(FiberSwitch, EveryStackRoundsInItsOwnWay) {
  tests::on_both_drivers([]() -> Task<> {
    Event event;
    const auto round_up = [&] {
      EXPECT_EQ(std::fegetround(), FE_TONEAREST);
      std::fesetround(FE_UPWARD);
      fiber::await(event.wait());
      EXPECT_EQ(std::fegetround(), FE_UPWARD);
    };
    const auto look = [&]() -> Task<> {
      EXPECT_EQ(std::fegetround(), FE_TONEAREST);
      co_await fiber::run([] { EXPECT_EQ(std::fegetround(), FE_TONEAREST); });
      event.set();
    };
    co_await gather(fiber::run(round_up), look());
    EXPECT_EQ(std::fegetround(), FE_TONEAREST);
    co_await fiber::run([] { EXPECT_EQ(std::fegetround(), FE_TONEAREST); });
  });
}

}  // namespace
}  // namespace clearway
