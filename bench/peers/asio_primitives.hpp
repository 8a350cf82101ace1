#pragma once
// Boost.Asio's primitives on `Executor`; see bench/support/primitives.hpp for what is measured.

#include <utility>  // first: Boost 1.74 forgets it where it uses std::exchange

#include <bench/support/primitives.hpp>
#include <boost/asio.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace bench {

namespace asio = boost::asio;

template <class Executor>
class AsioPrimitives {
 public:
  template <class T>
  using Task = asio::awaitable<T, Executor>;
  using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                           asio::wait_traits<std::chrono::steady_clock>, Executor>;
  static constexpr asio::use_awaitable_t<Executor> awaitable{};

  double run(std::string_view metric, long count) {
    double value = 0;
    asio::co_spawn(context_.get_executor(), measure(std::string(metric), count, value),
                   [](const std::exception_ptr& error) {
                     if (error) std::rethrow_exception(error);
                   });
    context_.run();
    return value;
  }

 private:
  static Task<int> child() { co_return 1; }

  static Task<void> yielding(long count) {
    const auto executor = co_await asio::this_coro::executor;
    for (long i = 0; i < count; ++i) co_await asio::post(executor, awaitable);
  }

  static Task<void> wait_for(Timer& timer) { co_await timer.async_wait(awaitable); }

  // Both directions of a pair: the second is spawned, the first runs here.
  static Task<void> switches(Executor executor, long count) {
    asio::co_spawn(executor, yielding(count / 2), asio::detached);
    co_await yielding(count / 2);
  }

  static void set_and_cancel_timers(Executor executor, long count) {
    const auto ignore = [](const boost::system::error_code&) {};
    std::vector<Timer> timers;
    timers.reserve(static_cast<std::size_t>(count));
    for (long i = 0; i < count; ++i) {
      timers.emplace_back(executor, std::chrono::seconds(3600 + i % 1000));
      timers.back().async_wait(ignore);
    }
    for (Timer& timer : timers) timer.cancel();
  }

  Task<double> task_bytes(Executor executor, long count) {
    never_.expires_after(std::chrono::hours(1));
    const MemoryGrowth growth;
    for (long i = 0; i < count; ++i) asio::co_spawn(executor, wait_for(never_), asio::detached);
    co_await yielding(2);
    const double bytes = growth.bytes_per(count).best;
    context_.stop();  // the waiting tasks are destroyed with it
    co_return bytes;
  }

  Task<void> measure(std::string metric, long count, double& value) {
    const Executor executor = context_.get_executor();
    const Stopwatch stopwatch;
    if (metric == "task_bytes") {
      value = co_await task_bytes(executor, count);
      co_return;
    }
    if (metric == "await") {
      for (long i = 0; i < count; ++i) static_cast<void>(co_await child());
    } else if (metric == "spawn_join") {
      for (long i = 0; i < count; ++i) {
        static_cast<void>(co_await asio::co_spawn(executor, child(), awaitable));
      }
    } else if (metric == "switch") {
      co_await switches(executor, count);
    } else {
      set_and_cancel_timers(executor, count);
      co_await yielding(1);  // behind the handlers of all that were cancelled
    }
    value = stopwatch.nanoseconds_per(count);
  }

  asio::io_context context_{1};
  Timer never_{context_.get_executor()};
};

template <class Executor>
Figures measure_asio(std::string_view metric) {
  const Counts counts;
  const auto of = [&](int slices, long count) {
    const auto once = [&](long n) { return AsioPrimitives<Executor>().run(metric, n); };
    return in_slices(slices, count, once);
  };
  if (metric == "await") return of(counts.slices, counts.await);
  if (metric == "spawn_join") return of(counts.slices, counts.spawn_join / 3);
  if (metric == "switch") return of(counts.slices, counts.switches / 4);
  if (metric == "timer") return of(counts.timer_slices, counts.timers);
  if (metric == "task_bytes") return of(1, counts.tasks);
  unknown_metric(primitive_metrics);
}

template <class Executor>
int asio_main(int count, char** arguments) {
  if (count != 2) unknown_metric(primitive_metrics);
  report(arguments[1], measure_asio<Executor>(arguments[1]));
  return 0;
}

}  // namespace bench
