// Functions with large frames: they reach far below what is used of the stack.

#include <ranges>

#include <gmock/gmock.h>
#include <unistd.h>
#include <clearway/fiber/fiber.hpp>
#include <clearway/fiber/sanitizer.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/sleep.hpp>
#include <tests/support/worlds.hpp>

#include <csignal>
#include <cstdlib>

namespace clearway {
namespace {

// Touches only the far end of its frame, as a call from there does.
template <std::size_t size>
[[gnu::noinline]] int reach(int depth) {
  volatile char frame[size];
  frame[0] = static_cast<char>(depth);
  const int below = depth == 0 ? 0 : reach<size>(depth - 1);
  return below + frame[0];
}

template <std::size_t size>
void reach_on_a_fiber() {
  sim::run({}, []() -> Task<> {
    // Others' stacks lie below: they would be written to.
    const auto on_fiber = [](int number) {
      return fiber::run([number] {
        fiber::await(yield());
        return number == 40 ? reach<size>(1'000) : 0;
      });
    };
    const auto range = std::views::iota(0, 64);
    const auto results = co_await gather(range, on_fiber);
    std::_Exit(static_cast<int>(results.size()) == 64 ? 0 : 1);
  });
}

TEST(FiberStack, LargeFramesDoNotReachPastTheGuard) {
#if defined(CLEARWAY_ASAN) || defined(CLEARWAY_TSAN)
  GTEST_SKIP() << "sanitizers report overflows their own way";
#endif
  EXPECT_DEATH(reach_on_a_fiber<1'000>(), "stack overflow: a fiber");
  EXPECT_DEATH(reach_on_a_fiber<30'000>(), "stack overflow: a fiber");
  EXPECT_DEATH(reach_on_a_fiber<100'000>(), "stack overflow: a fiber");
  EXPECT_DEATH(reach_on_a_fiber<240'000>(), "stack overflow: a fiber");
}

// As one does that reads far past the end of its array.
void read_in_the_guard_of_another() {
  sim::run({}, []() -> Task<> {
    const volatile char* other = nullptr;
    const auto waits = [&] {
      volatile char here = 0;
      other = &here;
      fiber::await(sleep(std::chrono::hours(1)));
    };
    const auto reads = [&] { return static_cast<int>(other[-300 * 1024]); };
    co_await gather(fiber::run(waits), fiber::run(reads));
  });
}

TEST(FiberStack, AFaultInTheGuardOfAnotherIsNoOverflow) {
#if defined(CLEARWAY_ASAN) || defined(CLEARWAY_TSAN)
  GTEST_SKIP() << "sanitizers report faults their own way";
#endif
  EXPECT_EXIT(read_in_the_guard_of_another(), testing::KilledBySignal(SIGSEGV),
              testing::Not(testing::HasSubstr("stack overflow")));
}

Task<> run_a_fiber() {
  co_await fiber::run([] { fiber::await(yield()); });
}

TEST(FiberStack, WhoSendsTheSignalOfAFaultEndsTheProgram) {
#if defined(CLEARWAY_ASAN) || defined(CLEARWAY_TSAN)
  GTEST_SKIP() << "sanitizers report faults their own way";
#endif
  const auto send = [] {
    run(run_a_fiber());
    ::kill(::getpid(), SIGSEGV);
    std::_Exit(0);
  };
  EXPECT_EXIT(send(), testing::KilledBySignal(SIGSEGV), "");
}

// A static object is destroyed after the thread's own pool of stacks.
TEST(FiberStack, DestructorsOfStaticObjectsMayRunFibers) {
  struct Late {
    ~Late() {
      run(run_a_fiber());
      std::_Exit(7);
    }
  };
  const auto end = [] {
    static const Late late;
    run(run_a_fiber());
    std::exit(0);
  };
  EXPECT_EXIT(end(), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace clearway
