// What fibers cost, beside Boost.Context's bare switch: bench_fiber_fiber [ROUNDS] [WHAT].
// Prints the best of the rounds and the ratio to what it is compared with; WHAT is a part of a
// name.

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <bench/support/clock.hpp>
#include <bench/support/primitives.hpp>
#include <boost/context/detail/fcontext.hpp>
#include <boost/context/fiber.hpp>
#include <clearway/fiber/fiber.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/sync.hpp>

namespace {

using namespace clearway;

constexpr long many = 1'000'000;

double nanoseconds_per(const bench::Stopwatch& stopwatch, long count) {
  return stopwatch.nanoseconds_per(count);
}

// Boost.Context

void ping(boost::context::detail::transfer_t transfer) {
  for (;;) transfer = boost::context::detail::jump_fcontext(transfer.fctx, nullptr);
}

double raw_round_trip() {
  constexpr std::size_t size = 64 * 1024;
  const std::unique_ptr<char[]> stack(new char[size]);
  auto context = boost::context::detail::make_fcontext(stack.get() + size, size, ping);
  const bench::Stopwatch stopwatch;
  for (long count = 0; count < many; ++count) {
    context = boost::context::detail::jump_fcontext(context, nullptr).fctx;
  }
  return nanoseconds_per(stopwatch, many);
}

double boost_fiber_round_trip() {
  namespace context = boost::context;
  context::fiber fiber([](context::fiber&& back) {
    for (;;) back = std::move(back).resume();
    return std::move(back);
  });
  const bench::Stopwatch stopwatch;
  for (long count = 0; count < many; ++count) fiber = std::move(fiber).resume();
  const double result = nanoseconds_per(stopwatch, many);
  return result;
}

// Ours

int one() { return 1; }
Task<int> child() { co_return 1; }

Task<double> await_child() {
  long sum = 0;
  const bench::Stopwatch stopwatch;
  for (long count = 0; count < many; ++count) sum += co_await child();
  co_return sum == many ? nanoseconds_per(stopwatch, many) : 0;
}

Task<double> run_on_fiber() {
  long sum = 0;
  const bench::Stopwatch stopwatch;
  for (long count = 0; count < many; ++count) sum += co_await fiber::run(one);
  co_return sum == many ? nanoseconds_per(stopwatch, many) : 0;
}

int await_one() { return fiber::await(child()); }

Task<double> run_and_await() {
  long sum = 0;
  const bench::Stopwatch stopwatch;
  for (long count = 0; count < many; ++count) sum += co_await fiber::run(await_one);
  co_return sum == many ? nanoseconds_per(stopwatch, many) : 0;
}

Task<double> switch_between_fibers() {
  constexpr long each = many / 10;
  const auto body = [](int) {
    for (long count = 0; count < each; ++count) fiber::await(yield());
  };
  const auto on_fiber = [&](int number) { return fiber::run(body, number); };
  const auto range = std::views::iota(0, 10);
  const bench::Stopwatch stopwatch;
  co_await gather(range, on_fiber);
  co_return nanoseconds_per(stopwatch, many);
}

double measure(Task<double> (*task)()) { return run(task()); }

// Memory

Task<double> parked_bytes() {
  constexpr int count = 100'000;
  Event event;
  const auto body = [&](int) { fiber::await(event.wait()); };
  const auto on_fiber = [&](int number) { return fiber::run(body, number); };
  double bytes = 0;
  const std::int64_t before = bench::resident_bytes();
  const auto look = [&]() -> Task<> {
    co_await yield();
    bytes = static_cast<double>(bench::resident_bytes() - before) / count;
    event.set();
  };
  const auto range = std::views::iota(0, count);
  co_await gather(gather(range, on_fiber), look());
  co_return bytes;
}

struct Row {
  const char* what;
  std::function<double()> measure;
  const char* unit;
  int beside;  // the row that it is compared with; -1: none
  double best = std::numeric_limits<double>::max();
};

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
  std::vector<Row> rows;
  rows.push_back({"Boost.Context: jump there and back", raw_round_trip, "ns", -1});
  rows.push_back({"Boost.Context: boost::context::fiber", boost_fiber_round_trip, "ns", 0});
  rows.push_back({"co_await a child", [] { return measure(await_child); }, "ns", 0});
  rows.push_back({"co_await fiber::run(f)", [] { return measure(run_on_fiber); }, "ns", 0});
  rows.push_back(
      {"the same, f awaits a ready task", [] { return measure(run_and_await); }, "ns", 3});
  rows.push_back(
      {"switch between ten fibers", [] { return measure(switch_between_fibers); }, "ns", 0});
  const std::string_view only = argc > 2 ? argv[2] : "";
  std::erase_if(rows, [&](const Row& row) {
    return std::string_view(row.what).find(only) == std::string_view::npos;
  });
  if (!only.empty()) {
    for (Row& row : rows) row.beside = -1;
  }
  for (int round = 0; round < rounds; ++round) {
    for (Row& row : rows) row.best = std::min(row.best, row.measure());
  }
  rows.push_back(
      {"resident memory of a parked fiber", [] { return measure(parked_bytes); }, "B", -1});
  rows.back().best = only.empty() ? rows.back().measure() : 0;
  if (!only.empty()) rows.pop_back();
  for (const Row& row : rows) {
    const std::string ratio =
        row.beside < 0 ? ""
                       : fmt::format("{:6.2f} x {}",
                                     row.best / rows[static_cast<std::size_t>(row.beside)].best,
                                     rows[static_cast<std::size_t>(row.beside)].what);
    fmt::print("{:<40} {:>9.1f} {:<3} {}\n", row.what, row.best, row.unit, ratio);
  }
  return 0;
}
