// A user's program, as small as one can be: this file and its CMakeLists.txt are all there is.
#include <clearway/clearway.hpp>
#include <clearway/http.hpp>
#include <clearway/json.hpp>

#include <fmt/ranges.h>

#include <ranges>
#include <string>
#include <string_view>

using namespace clearway;

Task<std::string> creature_name(http::Session& session, int number) {
  auto creature = co_await session.get(fmt::format("/api/v2/pokemon/{}", number)).json();
  co_return creature["name"];
}

Task<> amain(std::string base_url) {
  http::Session session(base_url, {.limit = 150});
  auto names = co_await gather(std::views::iota(1, 151),
                               [&](int number) { return creature_name(session, number); });
  fmt::print("{}\n", fmt::join(names, "\n"));
}

int main(int argc, char** argv) {
  if (argc != 2 || std::string_view(argv[1]) == "--help") {
    fmt::print("Usage: names URL\n");
    return argc == 2 ? 0 : 2;
  }
  return run_main(amain(argv[1]));
}
