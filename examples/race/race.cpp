// The race: the same requests, made one at a time with a blocking library, awaited one at a time,
// gathered, and made by the blocking library in threads and on fibers.

#include <algorithm>
#include <chrono>
#include <ranges>

#include <fmt/format.h>
#include <clearway/clearway.hpp>
#include <clearway/http.hpp>
#include <clearway/json.hpp>

#include "../support/program.hpp"
#include "fetch_blocking.hpp"
#include "report.hpp"

using namespace clearway;

namespace {

const std::vector<std::string> all_modes = {"blocking", "sequential", "gather", "threads",
                                            "fibers"};

struct Options {
  std::string base_url;
  int count = 150;
  std::vector<std::string> only;
  std::string json_file;
};

// One mode at work: what it asks for, and how long the slowest answer took.
struct Run {
  std::string base_url;
  int count;
  Progress progress;
  double slowest = 0;

  [[nodiscard]] static std::string path(int number) {
    return fmt::format("/api/v2/pokemon/{}", number);
  }
  // The bundled server says how long it waited; any other is taken by the clock.
  void arrived(const nlohmann::json& creature, Instant start) {
    const std::chrono::duration<double> measured = loop_time() - start;
    slowest =
        std::max(slowest, creature.contains("delay_ms") ? creature["delay_ms"].get<double>() / 1000
                                                        : measured.count());
    progress.step();
  }
};

Task<> fetch(http::Session& session, Run& run, int number) {
  const Instant start = loop_time();
  auto creature = co_await session.get(Run::path(number)).json();
  run.arrived(creature, start);
}

Task<> fetch_in_thread(Run& run, int number) {
  const Instant start = loop_time();
  auto body = co_await to_thread(fetch_blocking, run.base_url + Run::path(number));
  run.arrived(nlohmann::json::parse(body), start);
}

// The very same function, all of them on this one thread.
Task<> fetch_on_fiber(Run& run, int number) {
  const Instant start = loop_time();
  auto body = co_await fiber::run(fetch_blocking, run.base_url + Run::path(number));
  run.arrived(nlohmann::json::parse(body), start);
}

// Blocks the loop, and with it everything else in the program: that is what the others avoid.
Task<> blocking(Run& run) {
  const fiber::AllowBlocking on_purpose;
  for (int number = 1; number <= run.count; ++number) {
    const Instant start = loop_time();
    run.arrived(nlohmann::json::parse(fetch_blocking(run.base_url + Run::path(number))), start);
  }
  co_return;
}

Task<> sequential(Run& run) {
  http::Session session(run.base_url, {.limit = static_cast<std::size_t>(run.count)});
  for (int number = 1; number <= run.count; ++number) co_await fetch(session, run, number);
}

Task<> gathered(Run& run) {
  http::Session session(run.base_url, {.limit = static_cast<std::size_t>(run.count)});
  co_await gather(std::views::iota(1, run.count + 1),
                  [&](int number) { return fetch(session, run, number); });
}

Task<> threads(Run& run) {
  co_await gather(std::views::iota(1, run.count + 1),
                  [&](int number) { return fetch_in_thread(run, number); });
}

Task<> fibers(Run& run) {
  co_await gather(std::views::iota(1, run.count + 1),
                  [&](int number) { return fetch_on_fiber(run, number); });
}

Task<> run_mode(Run& run, std::string mode) {
  if (mode == "blocking") return blocking(run);
  if (mode == "sequential") return sequential(run);
  if (mode == "gather") return gathered(run);
  if (mode == "threads") return threads(run);
  return fibers(run);
}

Task<> race_all(Options& options) {
  const example::StandIn stand_in(options.base_url);
  const bool everything = options.only.empty();
  const std::vector<std::string> modes = everything ? all_modes : options.only;
  const int few = std::max(1, options.count / 5);
  if (everything && few < options.count) {
    fmt::print(
        "blocking and sequential make {} requests instead of {}, so that you need not wait;\n"
        "their speed-up counts per request.\n",
        few, options.count);
  }

  std::vector<ModeResult> results;
  for (const std::string& mode : modes) {
    const bool slow = everything && (mode == "blocking" || mode == "sequential");
    const int count = slow ? few : options.count;
    Run run{options.base_url, count, Progress(mode, count)};
    const Instant start = loop_time();
    co_await run_mode(run, mode);
    const double seconds = std::chrono::duration<double>(loop_time() - start).count();
    run.progress.finish(seconds);
    results.push_back({mode, count, seconds, run.slowest});
  }
  print_table(results);
  if (!options.json_file.empty()) write_json(options.json_file, results);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  example::CommandLine command_line("race", "Makes the same requests in five ways and compares.");
  command_line
      .option("--base-url", options.base_url, "where the API is (default: a bundled server)")
      .option("--count", options.count, 1, 10'000, "how many requests per mode")
      .choices("--only", options.only, all_modes, "only these modes, with every request")
      .option("--json", options.json_file, "a file for the figures");
  if (const auto status = command_line.parse(argc, argv)) return *status;
  return example::run("race", [&] { return race_all(options); });
}
