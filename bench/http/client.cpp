// Clearway's HTTP client: bench_http_client PORT COUNT CONCURRENCY. COUNT GETs of /0, /1, … with
// CONCURRENCY at once. Prints {"requests", "seconds", "cpu_seconds"}, as every client here does.

#include <bench/support/clock.hpp>
#include <cstdio>
#include <cstdlib>
#include <ranges>

#include <fmt/format.h>
#include <clearway/clearway.hpp>
#include <clearway/http.hpp>

namespace http = clearway::http;
using clearway::Task;

namespace {

Task<> fetch(http::Session& session, long& answered, long number) {
  auto response = co_await session.get(fmt::format("/{}", number));
  while (auto piece = co_await response.read()) continue;
  if (response.status() == 200) ++answered;
}

Task<> fetch_all(int port, long count, std::size_t concurrency) {
  long answered = 0;
  const std::int64_t began = bench::wall_nanoseconds();
  const std::int64_t cpu_began = bench::cpu_nanoseconds();
  http::Session session(fmt::format("http://127.0.0.1:{}", port), {.limit = concurrency});
  co_await clearway::gather(std::views::iota(0L, count),
                            [&](long number) { return fetch(session, answered, number); },
                            {.limit = concurrency});
  fmt::print("{{\"requests\": {}, \"seconds\": {:.6f}, \"cpu_seconds\": {:.6f}}}\n", answered,
             static_cast<double>(bench::wall_nanoseconds() - began) / 1e9,
             static_cast<double>(bench::cpu_nanoseconds() - cpu_began) / 1e9);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return std::fputs("usage: http_client PORT COUNT CONCURRENCY\n", stderr), 2;
  return clearway::run_main(fetch_all(std::atoi(arguments[1]), std::atol(arguments[2]),
                                      static_cast<std::size_t>(std::atol(arguments[3]))));
}
