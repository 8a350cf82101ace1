// Five ways to stop a loop, and what Clearway says about each of them while it stands still:
//
//   blocked                 all five, one after the other
//   blocked --way sort      only that one: spin, sleep, read, lock, sort
//   CLEARWAY_SLOW=50ms blocked
//
// Every way takes a task that ought to have been a thread's work: see docs/guides/stalls.md.

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <mutex>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>
#include <clearway/clearway.hpp>

#include "support/program.hpp"

using namespace clearway;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

void spin(std::chrono::milliseconds length) {
  const Clock::time_point end = Clock::now() + length;
  while (Clock::now() < end) {
  }
}

void sleep_in_the_kernel(std::chrono::milliseconds length) { std::this_thread::sleep_for(length); }

// The far end of the pipe has something to say when the time is over.
void read_a_pipe(std::chrono::milliseconds length) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return;
  std::thread writer([&] {
    std::this_thread::sleep_for(length);
    static_cast<void>(::write(ends[1], "x", 1));
  });
  char byte = 0;
  static_cast<void>(::read(ends[0], &byte, 1));
  writer.join();
  ::close(ends[0]);
  ::close(ends[1]);
}

void take_a_lock(std::chrono::milliseconds length) {
  std::mutex mutex;
  std::unique_lock held(mutex, std::defer_lock);
  std::thread owner([&] {
    const std::lock_guard lock(mutex);
    std::this_thread::sleep_for(length);
  });
  std::this_thread::sleep_for(5ms);
  held.lock();
  held.unlock();
  owner.join();
}

void sort_numbers(std::chrono::milliseconds length) {
  std::vector<unsigned> numbers(1'000'000);
  std::mt19937 random(1);
  const Clock::time_point end = Clock::now() + length;
  while (Clock::now() < end) {
    std::generate(numbers.begin(), numbers.end(), random);
    std::sort(numbers.begin(), numbers.end());
  }
}

struct Way {
  const char* name;
  void (*block)(std::chrono::milliseconds length);
};
constexpr std::array ways = {Way{"spin", spin}, Way{"sleep", sleep_in_the_kernel},
                             Way{"read", read_a_pipe}, Way{"lock", take_a_lock},
                             Way{"sort", sort_numbers}};

Task<> block_loop(const Way* way, int milliseconds) {
  co_await yield();
  way->block(std::chrono::milliseconds(milliseconds));
}

// Stands for all that a program has to do besides.
Task<> tick() {
  for (;;) co_await sleep(10ms);
}

Task<> amain(std::string chosen, int milliseconds) {
  co_await task_group([&](TaskGroup& group) -> Task<> {
    const auto ticker = group.start(tick);
    ticker.set_name("ticker");
    for (const Way& way : ways) {
      if (!chosen.empty() && chosen != way.name) continue;
      const auto handle = group.start(block_loop, &way, milliseconds);
      handle.set_name(way.name);
      co_await handle;
    }
    ticker.cancel();
  });
}

}  // namespace

int main(int argc, char** argv) {
  std::string way;
  int milliseconds = 250;
  example::CommandLine command_line("blocked", "Stops its loop in five ways, to be told so.");
  command_line.option("--way", way, "only this one: spin, sleep, read, lock or sort")
      .option("--milliseconds", milliseconds, 1, 3'600'000, "for how long each");
  if (const auto status = command_line.parse(argc, argv)) return *status;
  return example::run("blocked", [&] { return amain(way, milliseconds); });
}
