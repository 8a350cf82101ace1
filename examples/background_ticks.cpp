// A task that ticks every 10 ms while a blocking call runs in a thread: the loop never stops.

#include <thread>

#include <fmt/format.h>
#include <clearway/clearway.hpp>

#include "support/program.hpp"

using namespace clearway;
using namespace std::chrono_literals;

// Stands for any library call that blocks.
int slow_library_call(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  return 42;
}

Task<> amain(int milliseconds) {
  int ticks = 0;
  Duration worst = 0ms;
  Instant last = loop_time();
  auto tick = [&] {
    const Instant now = loop_time();
    worst = std::max(worst, now - last);
    last = now;
    ++ticks;
  };
  auto [never_ends, answer] =
      co_await race(every(10ms, tick), to_thread(slow_library_call, milliseconds));
  fmt::print("the library call took {} ms and gave {}\n", milliseconds, *answer);
  fmt::print("meanwhile the loop ticked {} times; the worst gap was {:.1f} ms\n", ticks,
             std::chrono::duration<double, std::milli>(worst).count());
}

int main(int argc, char** argv) {
  int milliseconds = 1000;
  example::CommandLine command_line("background_ticks",
                                    "Ticks every 10 ms while a blocking call runs in a thread.");
  command_line.option("--milliseconds", milliseconds, 1, 3'600'000, "how long the call blocks");
  if (const auto status = command_line.parse(argc, argv)) return *status;
  return example::run("background_ticks", [&] { return amain(milliseconds); });
}
