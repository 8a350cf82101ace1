// fiber::await of what is one wait: the fiber does it itself, without a frame in between.

#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <clearway/base/frame_memory.hpp>
#include <clearway/fiber/fiber.hpp>
#include <clearway/fiber/sanitizer.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/queue.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/timeout.hpp>
#include <clearway/task/trace.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;

// Waits through the ready queue, as long as it is told, and fails.
class Failing {
 public:
  class Awaiter final : public Waiter {
   public:
    explicit Awaiter(bool waits) noexcept : waits_(waits) {}
    bool await_ready() const noexcept { return !waits_; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> frame) {
      if (begin(frame.promise())) wake();
      return true;
    }
    void await_resume() const {
      throw_if_cancelled();
      throw std::runtime_error("it failed where it was awaited");
    }

   private:
    void stop() noexcept override { wake_cancelled(); }
    bool waits_;
  };

  explicit Failing(bool waits) noexcept : waits_(waits) {}
  Awaiter operator co_await() const noexcept { return Awaiter(waits_); }

 private:
  bool waits_;
};

static_assert(detail::SingleWait<Sleep> && detail::SingleWait<Failing>);
static_assert(!detail::SingleWait<Task<int>>);

TEST(FiberAwait, OfOneWaitTakesNoFrame) {
  sim::run({}, []() -> Task<> {
    Event event;
    std::ptrdiff_t before = 0;
    std::ptrdiff_t during = 0;
    const auto body = [&] {
      before = frame_memory::live_blocks();
      fiber::await(event.wait());
    };
    const auto look = [&]() -> Task<> {
      during = frame_memory::live_blocks();
      event.set();
      co_return;
    };
    co_await gather(fiber::run(body), look());
    EXPECT_EQ(during, before);
  });
}

TEST(FiberAwait, ErrorsKnowWhereTheFiberAwaited) {
  tests::on_both_drivers([]() -> Task<> {
    for (const bool waits : {false, true}) {
      std::string trace;
      const auto body = [&] {
        try {
          fiber::await(Failing(waits));
        } catch (const std::runtime_error&) {
          trace = to_string(last_error_trace());
          throw;
        }
      };
      const auto run_it = [&]() -> Task<> { co_await fiber::run(body); };
      std::string message;
      try {
        co_await run_it();
      } catch (const std::runtime_error& error) {
        message = error.what();
      }
      EXPECT_EQ(message, "it failed where it was awaited");
      EXPECT_THAT(trace, ::testing::HasSubstr("\"fiber\" at fiber_await_test.cpp:"));
      EXPECT_EQ(to_string(last_error_trace()), trace) << "the frames outside report it again";
    }
  });
}

TEST(FiberAwait, IsCancelledWhereItWaits) {
  sim::run({}, []() -> Task<> {
    int refused = 0;
    const auto body = [&] {
      try {
        fiber::await(sleep(1h));
      } catch (const Cancelled&) {
        ++refused;
      }
      try {
        fiber::await(yield());
      } catch (const Cancelled&) {
        ++refused;
        throw;
      }
    };
    const auto outcome = co_await move_on_after(1s, fiber::run(body));
    EXPECT_FALSE(outcome.has_value());
    EXPECT_EQ(refused, 2);
  });
}

TEST(FiberAwait, GivesWhatCannotBeCopied) {
  sim::run({}, []() -> Task<> {
    Queue<std::unique_ptr<int>> queue(1);
    static_assert(detail::SingleWait<decltype(queue.get())>);
    int got = 0;
    const auto body = [&] { got = **fiber::await(queue.get()); };
    const auto give = [&]() -> Task<> { co_await queue.put(std::make_unique<int>(5)); };
    co_await gather(fiber::run(body), give());
    EXPECT_EQ(got, 5);
  });
}

// Touches more of the stack than the page of the fiber's record.
[[gnu::noinline]] int touch() {
  volatile char pages[3 * 4096];
  for (std::size_t at = 0; at < sizeof pages; at += 1024) pages[at] = 1;
  return pages[0];
}

// Not the one that is used again and again.
TEST(FiberPool, ManyIdleFibersGiveTheirMemoryBackOnce) {
#if defined(CLEARWAY_ASAN) || defined(CLEARWAY_TSAN)
  GTEST_SKIP() << "sanitizers touch memory of their own";
#endif
  sim::run({}, []() -> Task<> {
    const auto waits = [](int) {
      fiber::await(yield());
      touch();
    };
    const auto on_fiber = [&](int number) { return fiber::run(waits, number); };
    co_await gather(std::views::iota(0, 600), on_fiber);
    const auto faults = [] {
      rusage used{};
      ::getrusage(RUSAGE_THREAD, &used);
      return used.ru_minflt;
    };
    co_await fiber::run(touch);
    const long before = faults();
    for (int count = 0; count < 500; ++count) co_await fiber::run(touch);
    EXPECT_LT(faults() - before, 100);
  });
}

}  // namespace
}  // namespace clearway
