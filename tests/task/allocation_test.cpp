// A program whose n-th frame cannot be had, for every n: it ends with std::bad_alloc and leaves
// nothing behind.

#include <functional>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <clearway/base/error.hpp>
#include <clearway/task/every.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/local.hpp>
#include <clearway/task/queue.hpp>
#include <clearway/task/race.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <clearway/task/to_thread.hpp>
#include <clearway/task/with_scope.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;

// Holds memory of its own, so that a leak is one.
Task<std::string> text(int number) {
  co_await sleep(std::chrono::milliseconds(number));
  co_return "a text that is longer than what a string keeps in itself " + std::to_string(number);
}
Task<> nothing() { co_await yield(); }

Task<> pass_items() {
  Queue<std::string> queue(1);
  const auto body = [&](TaskGroup& group) -> Task<> {
    const auto produce = [&]() -> Task<> {
      for (int count = 0; count < 3; ++count) {
        std::string item = co_await text(count);
        co_await queue.put(std::move(item));
      }
      queue.close();
    };
    group.start(produce);
    const auto named = group.start(text, 1);
    named.set_name("a name");
    while (const auto item = co_await queue.get()) co_await nothing();
    EXPECT_EQ(co_await named, co_await text(1));
  };
  co_await task_group(body);
}

Task<> meet() {
  Lock lock;
  Condition changed;
  bool ready = false;
  const auto wait = [&]() -> Task<> {
    auto guard = co_await lock.acquire();
    while (!ready) co_await changed.wait(guard);
  };
  const auto notify = [&]() -> Task<> {
    co_await sleep(1ms);
    const auto guard = co_await lock.acquire();
    ready = true;
    changed.notify_all();
  };
  co_await timeout(1s, gather(wait(), notify()));
}

Task<> combine() {
  const TaskLocal<int> depth("depth");
  const std::vector<int> numbers{2, 1, 3};
  const auto texts = co_await gather(numbers, text, {.limit = 2});
  EXPECT_EQ(texts.size(), 3U);
  std::size_t seen = 0;
  co_await as_completed(numbers, text, [&](const std::string& one) { seen += one.size(); });
  const auto [slow, fast] = co_await race(text(5), text(1));
  EXPECT_TRUE(fast.has_value() && !slow.has_value());
  const std::string cleaned = co_await finally(text(1), nothing);
  auto scoped = [](CancelScope&) { return text(1); };
  const auto in_scope = co_await with_scope(scoped, {.within = 1s});
  EXPECT_EQ(in_scope.value_or(""), cleaned);
  co_await move_on_after(3ms, every(1ms, nothing));
  co_await with_value(depth, 1, shielded(nothing()));
  EXPECT_EQ(co_await to_thread([] { return 3; }), 3);
  co_await pass_items();
  co_await meet();
}

Task<> program() {
  background().start(nothing);
  co_await combine();
}

// True when the n-th allocation was made.
bool run_without(std::size_t n, std::uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  const std::ptrdiff_t before = frame_memory::live_blocks();
  frame_memory::fail_after(n);
  const std::string error = tests::error_of([&] { sim::run(options, program); });
  const bool reached = frame_memory::fail_after(0) == 0;
  EXPECT_EQ(frame_memory::live_blocks(), before) << "allocation " << n << ", seed " << seed;
  if (!reached) {
    EXPECT_EQ(error, "") << "seed " << seed;
  } else {
    EXPECT_NE(error.find("bad_alloc"), std::string::npos) << "allocation " << n << ": " << error;
  }
  return reached;
}

TEST(Allocation, EveryFrameThatCannotBeHadEndsTheProgramInOrder) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    std::size_t n = 1;
    while (run_without(n, seed)) ++n;
    EXPECT_GT(n, 40U) << "the program has more frames than that";
  }
}

}  // namespace
}  // namespace clearway
