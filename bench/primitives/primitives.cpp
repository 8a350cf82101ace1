// Clearway's primitives: bench_primitives_primitives METRIC, see bench/support/primitives.hpp. Each
// is what a program would write, on the driver that a program would get.

#include <bench/support/primitives.hpp>
#include <clearway/loop/loop.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <functional>
#include <string_view>
#include <vector>

namespace {

using namespace clearway;

constexpr bench::Counts counts;

Task<int> child() { co_return 1; }

Task<> yielding(long count) {
  for (long i = 0; i < count; ++i) co_await yield();
}

Task<> wait_for(Event& event) { co_await event.wait(); }

Task<double> measure_await(long count) {
  const bench::Stopwatch stopwatch;
  for (long i = 0; i < count; ++i) static_cast<void>(co_await child());
  co_return stopwatch.nanoseconds_per(count);
}

Task<double> measure_spawn_join(long count) {
  const bench::Stopwatch stopwatch;
  co_await task_group([&](TaskGroup& group) -> Task<> {
    for (long i = 0; i < count; ++i) {
      const auto handle = group.start(child);
      static_cast<void>(co_await handle);
    }
  });
  co_return stopwatch.nanoseconds_per(count);
}

Task<double> measure_switch(long count) {
  const bench::Stopwatch stopwatch;
  co_await gather(yielding(count / 2), yielding(count / 2));
  co_return stopwatch.nanoseconds_per(count);
}

class SetTimer final : public Timer {
 public:
  void expired() override {}
};

// (Both parts take so long that the loop turns between them.)
Task<double> measure_timer(long count) {
  TimerQueue& queue = Loop::current().timers();
  const bench::Stopwatch stopwatch;
  std::vector<SetTimer> timers(static_cast<std::size_t>(count));
  long number = 0;
  for (SetTimer& timer : timers) {
    queue.set(timer, loop_time() + std::chrono::seconds(3600 + number++ % 1000));
  }
  co_await yield();
  for (SetTimer& timer : timers) queue.cancel(timer);
  co_await yield();
  co_return stopwatch.nanoseconds_per(count);
}

Task<bench::Figures> measure_task_bytes() {
  Event never;
  const bench::MemoryGrowth growth;
  co_return co_await task_group([&](TaskGroup& group) -> Task<bench::Figures> {
    for (long i = 0; i < counts.tasks; ++i) group.start(wait_for, std::ref(never));
    co_await yielding(2);
    const bench::Figures bytes = growth.bytes_per(counts.tasks);
    never.set();
    co_return bytes;
  });
}

bench::Figures of(int slices, long count, Task<double> (*operation)(long)) {
  return bench::in_slices(slices, count, [&](long number) { return run(operation(number)); });
}

bench::Figures measure(std::string_view metric) {
  if (metric == "await") return of(counts.slices, counts.await, measure_await);
  if (metric == "spawn_join") return of(counts.slices, counts.spawn_join, measure_spawn_join);
  if (metric == "switch") return of(counts.slices, counts.switches, measure_switch);
  if (metric == "timer") return of(counts.timer_slices, counts.timers, measure_timer);
  if (metric == "task_bytes") return run(measure_task_bytes());
  bench::unknown_metric(bench::primitive_metrics);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) bench::unknown_metric(bench::primitive_metrics);
  bench::report(arguments[1], measure(arguments[1]));
}
