// A periodic check that ends at once on Ctrl-C.

#include <fmt/format.h>
#include <clearway/clearway.hpp>
#include <clearway/http.hpp>

#include "support/program.hpp"

using namespace clearway;

Task<> check(http::Session& session, std::string url) {
  auto response = co_await as_result(session.head(url));
  const std::string outcome = response ? fmt::format("{}", response->status()) : response.message();
  fmt::print("{} {} {}\n", now(), url, outcome);
}

Task<> amain(std::string base_url, std::vector<std::string> urls, Duration period, int times) {
  http::Session session(base_url);
  auto check_all = [&] {
    return gather(urls, [&](std::string& url) { return check(session, url); });
  };
  if (times == 0) co_await every(period, check_all);  // until Ctrl-C
  for (int i = 0; i < times; ++i) {
    if (i > 0) co_await sleep(period);
    co_await check_all();
  }
}

int main(int argc, char** argv) {
  std::string base_url;
  std::vector<std::string> urls;
  double seconds = 2;
  int times = 0;
  example::CommandLine command_line("watch_site", "Says every two seconds how a site is.");
  command_line.option("--base-url", base_url, "the site (default: a bundled server)")
      .option("--period", seconds, 0.01, 86'400, "seconds between two checks")
      .option("--times", times, 0, 1'000'000, "how many checks; 0: until Ctrl-C")
      .positional("url", urls, "what to check, relative to the site (default: /)");
  if (const auto status = command_line.parse(argc, argv)) return *status;
  if (urls.empty()) urls = {"/"};
  const auto period = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  return example::run("watch_site", [&]() -> Task<> {
    const example::StandIn stand_in(base_url);
    co_await amain(base_url, urls, period, times);
  });
}
