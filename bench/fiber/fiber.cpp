// What fibers cost: bench_fiber_fiber METRIC, see bench/support/fibers.hpp. Each is what a program
// would write.

#include <ranges>
#include <string_view>

#include <bench/support/fibers.hpp>
#include <clearway/fiber/fiber.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/sync.hpp>

namespace {

using namespace clearway;

constexpr bench::FiberCounts counts;

int one() { return 1; }
Task<int> child() { co_return 1; }
int await_one() { return fiber::await(child()); }

Task<double> await_children(long count) {
  const bench::Stopwatch stopwatch;
  for (long index = 0; index < count; ++index) static_cast<void>(co_await child());
  co_return stopwatch.nanoseconds_per(count);
}

Task<double> enter(long count) {
  const bench::Stopwatch stopwatch;
  for (long index = 0; index < count; ++index) static_cast<void>(co_await fiber::run(one));
  co_return stopwatch.nanoseconds_per(count);
}

Task<double> enter_and_await(long count) {
  const bench::Stopwatch stopwatch;
  for (long index = 0; index < count; ++index) static_cast<void>(co_await fiber::run(await_one));
  co_return stopwatch.nanoseconds_per(count);
}

Task<double> switch_between_ten(long count) {
  const bench::Stopwatch stopwatch;
  const auto body = [count](int) {
    for (long index = 0; index < count / 10; ++index) fiber::await(yield());
  };
  const auto on_fiber = [&](int number) { return fiber::run(body, number); };
  co_await gather(std::views::iota(0, 10), on_fiber);
  co_return stopwatch.nanoseconds_per(count);
}

Task<bench::Figures> bytes(long count) {
  Event event;
  long waiting = 0;
  const auto body = [&](long) {
    ++waiting;
    fiber::await(event.wait());
  };
  const auto on_fiber = [&](long number) { return fiber::run(body, number); };
  bench::Figures result{};
  const bench::MemoryGrowth growth;
  const auto look = [&]() -> Task<> {
    while (waiting < count) co_await yield();
    result = growth.bytes_per(count);
    event.set();
  };
  co_await gather(gather(std::views::iota(0L, count), on_fiber), look());
  co_return result;
}

bench::Figures of(long count, Task<double> (*operation)(long)) {
  const auto once = [&](long number) { return run(operation(number)); };
  return bench::in_slices(counts.slices, count, once);
}

bench::Figures measure(std::string_view metric) {
  if (metric == "child") return of(counts.child, await_children);
  if (metric == "enter") return of(counts.enter, enter);
  if (metric == "await") return of(counts.await, enter_and_await);
  if (metric == "switch") return of(counts.switches, switch_between_ten);
  if (metric == "bytes") return run(bytes(counts.fibers));
  bench::unknown_metric(bench::fiber_metrics);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) bench::unknown_metric(bench::fiber_metrics);
  bench::report(arguments[1], measure(arguments[1]));
}
