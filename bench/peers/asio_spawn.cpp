// Boost.Asio's stackful coroutines: bench_peers_asio_spawn METRIC, see bench/support/fibers.hpp.

#define BOOST_ASIO_DISABLE_THREADS 1
#define BOOST_COROUTINES_NO_DEPRECATION_WARNING 1

#include <chrono>
#include <string_view>
#include <utility>  // first: Boost 1.74 forgets it where it uses std::exchange

#include <bench/support/fibers.hpp>
#include <boost/asio.hpp>
#include <boost/asio/spawn.hpp>

namespace {

namespace asio = boost::asio;

constexpr bench::FiberCounts counts;
using Yield = asio::yield_context;

// Completes inside the call that starts it.
void await_ready(Yield yield) {
  asio::async_initiate<Yield, void()>([](auto handler) { handler(); }, yield);
}

// Inside a handler a coroutine is entered at once.
double enter(long count, bool awaits) {
  asio::io_context context(1);
  long sum = 0;
  const bench::Stopwatch stopwatch;
  asio::post(context, [&] {
    for (long index = 0; index < count; ++index) {
      asio::spawn(context.get_executor(), [&](Yield yield) {
        if (awaits) await_ready(yield);
        ++sum;
      });
    }
  });
  context.run();
  if (sum != count) std::abort();
  return stopwatch.nanoseconds_per(count);
}

double switch_between_ten(long count) {
  asio::io_context context(1);
  const bench::Stopwatch stopwatch;
  for (int number = 0; number < 10; ++number) {
    asio::spawn(context, [&](Yield yield) {
      for (long index = 0; index < count / 10; ++index) asio::post(yield);
    });
  }
  context.run();
  return stopwatch.nanoseconds_per(count);
}

bench::Figures bytes(long count) {
  asio::io_context context(1);
  asio::steady_timer never(context, std::chrono::hours(1));
  bench::Figures result{};
  const bench::MemoryGrowth growth;
  for (long index = 0; index < count; ++index) {
    asio::spawn(context, [&](Yield yield) {
      boost::system::error_code error;
      never.async_wait(yield[error]);
    });
  }
  asio::post(context, [&] {
    asio::post(context, [&] {
      result = growth.bytes_per(count);
      never.cancel();
    });
  });
  context.run();
  return result;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) bench::unknown_metric(bench::fiber_metrics);
  const std::string_view metric = arguments[1];
  if (metric == "enter" || metric == "await") {
    const auto once = [&](long number) { return enter(number, metric == "await"); };
    bench::report(metric, bench::in_slices(counts.slices, counts.enter / 10, once));
  } else if (metric == "switch") {
    bench::report(metric,
                  bench::in_slices(counts.slices, counts.switches / 10, switch_between_ten));
  } else if (metric == "bytes") {
    bench::report(metric, bytes(counts.fibers));
  } else if (metric == "child") {
    bench::report_nothing(metric);  // in the table of tasks
  } else {
    bench::unknown_metric(bench::fiber_metrics);
  }
}
