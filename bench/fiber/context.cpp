// The floor under fibers: Boost.Context's switches by themselves, with stacks that are there
// already and nothing around them. bench_fiber_context METRIC, see bench/support/fibers.hpp.

#include <array>
#include <string_view>
#include <vector>

#include <sys/mman.h>
#include <bench/support/fibers.hpp>
#include <boost/context/detail/fcontext.hpp>

namespace {

namespace context = boost::context::detail;

constexpr bench::FiberCounts counts;
constexpr std::size_t size = 64 * 1024;

void go_back(context::transfer_t transfer) {
  for (;;) transfer = context::jump_fcontext(transfer.fctx, nullptr);
}

// Its memory is taken when it is used, and stays until the program ends.
context::fcontext_t make() {
  void* const stack =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) std::abort();
  return context::make_fcontext(static_cast<char*>(stack) + size, size, go_back);
}

double enter(long count) {
  context::fcontext_t fiber = make();
  const bench::Stopwatch stopwatch;
  for (long index = 0; index < count; ++index) {
    fiber = context::jump_fcontext(fiber, nullptr).fctx;
  }
  return stopwatch.nanoseconds_per(count);
}

// Through the one that deals them out, as a loop does.
double switch_between_ten(long count) {
  std::array<context::fcontext_t, 10> fibers{};
  for (auto& fiber : fibers) fiber = make();
  const bench::Stopwatch stopwatch;
  for (long index = 0; index < count; index += 10) {
    for (auto& fiber : fibers) fiber = context::jump_fcontext(fiber, nullptr).fctx;
  }
  return stopwatch.nanoseconds_per(count);
}

bench::Figures bytes(long count) {
  std::vector<context::fcontext_t> fibers(static_cast<std::size_t>(count));
  const bench::MemoryGrowth growth;
  for (auto& fiber : fibers) fiber = context::jump_fcontext(make(), nullptr).fctx;
  return growth.bytes_per(count);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) bench::unknown_metric(bench::fiber_metrics);
  const std::string_view metric = arguments[1];
  if (metric == "enter") {
    bench::report(metric, bench::in_slices(counts.slices, counts.enter, enter));
  } else if (metric == "switch") {
    bench::report(metric, bench::in_slices(counts.slices, counts.switches, switch_between_ten));
  } else if (metric == "bytes") {
    bench::report(metric, bytes(counts.fibers));
  } else if (metric == "child" || metric == "await") {
    bench::report_nothing(metric);  // it has no tasks
  } else {
    bench::unknown_metric(bench::fiber_metrics);
  }
}
