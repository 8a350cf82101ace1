// Which driver real programs run on.

#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <clearway/base/error.hpp>
#include <clearway/base/log.hpp>
#include <clearway/loop/epoll_driver.hpp>
#include <clearway/loop/uring_driver.hpp>

namespace clearway {
namespace {

// The log says it once, and again when it changes: programs make many loops.
void say(int choice, std::string_view text) {
  static std::atomic<int> said = 0;
  if (said.exchange(choice) != choice) log::write(log::Level::info, "loop", text);
}

std::unique_ptr<Driver> make_epoll(std::string_view why) {
  auto driver = std::make_unique<EpollDriver>();
  say(1, fmt::format("loops run on epoll: {}", why));
  return driver;
}

std::unique_ptr<Driver> make_uring(std::string_view why) {
  auto driver = std::make_unique<UringDriver>();
  say(2, fmt::format("loops run on io_uring ({}): {}", driver->description(), why));
  return driver;
}

}  // namespace

std::unique_ptr<Driver> make_default_driver() {
  const char* const variable = std::getenv("CLEARWAY_DRIVER");
  const std::string_view wish = variable == nullptr ? "" : variable;
  if (wish.empty()) return make_epoll("the default; CLEARWAY_DRIVER=uring takes io_uring");
  if (wish == "epoll") return make_epoll("CLEARWAY_DRIVER asks for it");
  if (wish != "uring") {
    throw UsageError(fmt::format("CLEARWAY_DRIVER is \"{}\": set it to epoll or uring, or unset it",
                                 wish.substr(0, 100)));
  }
  try {
    return make_uring("CLEARWAY_DRIVER asks for it");
  } catch (const SystemError& error) {
    throw UsageError(
        fmt::format("CLEARWAY_DRIVER=uring: {}; set it to epoll, or unset it", error.what()));
  }
}

}  // namespace clearway
