// Coroutines and the loop: the same waiting one after the other, then all at once.

#include <ranges>

#include <fmt/format.h>
#include <clearway/clearway.hpp>

#include "support/program.hpp"

using namespace clearway;
using namespace std::chrono_literals;

Task<> wait_for_stuff(int i) {
  co_await sleep(1s);
  fmt::print("stuff {} arrived\n", i);
}

Task<> amain(int count) {
  fmt::print("one after the other:\n");
  for (int i = 0; i < count; ++i) co_await wait_for_stuff(i);  // a second each
  fmt::print("all at once:\n");
  co_await gather(std::views::iota(0, count), wait_for_stuff);  // one second
}

int main(int argc, char** argv) {
  int count = 5;
  example::CommandLine command_line("wait_for_stuff", "Waits one after the other, then at once.");
  command_line.option("--count", count, 1, 1000, "how many things to wait for");
  if (const auto status = command_line.parse(argc, argv)) return *status;
  return example::run("wait_for_stuff", [&] { return amain(count); });
}
