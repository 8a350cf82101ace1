// A hundred and fifty requests at once, and the names in order.

#include <ranges>

#include <fmt/ranges.h>
#include <clearway/clearway.hpp>
#include <clearway/http.hpp>
#include <clearway/json.hpp>

#include "support/program.hpp"

using namespace clearway;

Task<std::string> creature_name(http::Session& session, int number) {
  auto creature = co_await session.get(fmt::format("/api/v2/pokemon/{}", number)).json();
  co_return creature["name"];
}

Task<> amain(std::string base_url, int count) {
  http::Session session(base_url, {.limit = static_cast<std::size_t>(count)});
  auto names = co_await gather(std::views::iota(1, count + 1),
                               [&](int number) { return creature_name(session, number); });
  fmt::print("{}\n", fmt::join(names, "\n"));
}

int main(int argc, char** argv) {
  std::string base_url;
  int count = 150;
  example::CommandLine command_line("pokemon", "Fetches the names of many creatures at once.");
  command_line.option("--base-url", base_url, "where the API is (default: a bundled server)")
      .option("--count", count, 1, 10'000, "how many creatures");
  if (const auto status = command_line.parse(argc, argv)) return *status;
  return example::run("pokemon", [&]() -> Task<> {
    const example::StandIn stand_in(base_url);
    co_await amain(base_url, count);
  });
}
