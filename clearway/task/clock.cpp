#include <clearway/task/clock.hpp>

#include <ctime>

#include <clearway/loop/loop.hpp>

namespace clearway {

std::string WallTime::to_string() const {
  constexpr std::int64_t second = 1'000'000'000;
  const std::time_t seconds = nanoseconds / second;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return std::string(text, length);
}

WallTime now() { return {Loop::current().driver().wall_clock()}; }

}  // namespace clearway
