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
#include <string>
#include <vector>

namespace {

using namespace clearway;

constexpr bench::Counts counts;

Task<int> child() { co_return 1; }

Task<> yielding(long count) {
  for (long i = 0; i < count; ++i) co_await yield();
}

Task<> wait_for(Event& event) { co_await event.wait(); }

Task<double> measure_await() {
  const bench::Stopwatch stopwatch;
  for (long i = 0; i < counts.await; ++i) static_cast<void>(co_await child());
  co_return stopwatch.nanoseconds_per(counts.await);
}

Task<double> measure_spawn_join() {
  const bench::Stopwatch stopwatch;
  co_await task_group([](TaskGroup& group) -> Task<> {
    for (long i = 0; i < counts.spawn_join; ++i) {
      const auto handle = group.start(child);
      static_cast<void>(co_await handle);
    }
  });
  co_return stopwatch.nanoseconds_per(counts.spawn_join);
}

Task<double> measure_switch() {
  const bench::Stopwatch stopwatch;
  co_await gather(yielding(counts.switches / 2), yielding(counts.switches / 2));
  co_return stopwatch.nanoseconds_per(counts.switches);
}

class SetTimer final : public Timer {
 public:
  void expired() override {}
};

void set_and_cancel_timers(long count) {
  TimerQueue& queue = Loop::current().timers();
  std::vector<SetTimer> timers(static_cast<std::size_t>(count));
  long number = 0;
  for (SetTimer& timer : timers) {
    queue.set(timer, loop_time() + std::chrono::seconds(3600 + number++ % 1000));
  }
  for (SetTimer& timer : timers) queue.cancel(timer);
}

Task<double> measure_timer() {
  const bench::Stopwatch stopwatch;
  set_and_cancel_timers(counts.timers);
  co_await yield();
  co_return stopwatch.nanoseconds_per(counts.timers);
}

Task<double> measure_task_bytes() {
  Event never;
  const bench::MemoryGrowth growth;
  co_return co_await task_group([&](TaskGroup& group) -> Task<double> {
    for (long i = 0; i < counts.tasks; ++i) group.start(wait_for, std::ref(never));
    co_await yielding(2);
    const double bytes = growth.bytes_per(counts.tasks);
    never.set();
    co_return bytes;
  });
}

Task<double> measure(std::string metric) {
  if (metric == "await") return measure_await();
  if (metric == "spawn_join") return measure_spawn_join();
  if (metric == "switch") return measure_switch();
  if (metric == "timer") return measure_timer();
  if (metric == "task_bytes") return measure_task_bytes();
  bench::unknown_metric();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) bench::unknown_metric();
  bench::report(arguments[1], clearway::run(measure(arguments[1])));
}
