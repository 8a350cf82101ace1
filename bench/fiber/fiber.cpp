// What fibers cost: bench_fiber_fiber METRIC, see bench/support/fibers.hpp. Each is what a program
// would write.

#include <ranges>
#include <string>

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

Task<> await_children(long count) {
  for (long index = 0; index < count; ++index) static_cast<void>(co_await child());
}

Task<> enter(long count) {
  for (long index = 0; index < count; ++index) static_cast<void>(co_await fiber::run(one));
}

Task<> enter_and_await(long count) {
  for (long index = 0; index < count; ++index) static_cast<void>(co_await fiber::run(await_one));
}

Task<> switch_between_ten(long count) {
  const auto body = [count](int) {
    for (long index = 0; index < count / 10; ++index) fiber::await(yield());
  };
  const auto on_fiber = [&](int number) { return fiber::run(body, number); };
  co_await gather(std::views::iota(0, 10), on_fiber);
}

Task<double> bytes(long count) {
  Event event;
  long waiting = 0;
  const auto body = [&](long) {
    ++waiting;
    fiber::await(event.wait());
  };
  const auto on_fiber = [&](long number) { return fiber::run(body, number); };
  double result = 0;
  const std::int64_t before = bench::resident_bytes();
  const auto look = [&]() -> Task<> {
    while (waiting < count) co_await yield();
    result = static_cast<double>(bench::resident_bytes() - before) / static_cast<double>(count);
    event.set();
  };
  co_await gather(gather(std::views::iota(0L, count), on_fiber), look());
  co_return result;
}

double nanoseconds(long count, Task<> (*operation)(long)) {
  return bench::nanoseconds_of(count, [&](long number) { run(operation(number)); });
}

double measure(const std::string& metric) {
  if (metric == "child") return nanoseconds(counts.child, await_children);
  if (metric == "enter") return nanoseconds(counts.enter, enter);
  if (metric == "await") return nanoseconds(counts.await, enter_and_await);
  if (metric == "switch") return nanoseconds(counts.switches, switch_between_ten);
  if (metric == "bytes") return run(bytes(counts.fibers));
  bench::unknown_fiber_metric();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) bench::unknown_fiber_metric();
  bench::report_fibers(arguments[1], measure(arguments[1]));
}
