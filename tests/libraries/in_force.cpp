// in_force: two fibers that each wait 0.1 s in poll(). Prints whether the hooks are in force, and
// how many milliseconds it took.

#include <chrono>
#include <functional>

#include <poll.h>

#include "harness.hpp"

namespace {

clearway::Task<> two(std::function<void()> body) {
  co_await clearway::gather(clearway::fiber::run(std::ref(body)),
                            clearway::fiber::run(std::ref(body)));
}

long milliseconds(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  clearway::run(two(body));
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               start)
      .count();
}

}  // namespace

int main() {
  const bool in_force = clearway::fiber::hooks_in_force();
  const long took = milliseconds([] { ::poll(nullptr, 0, 100); });
  fmt::print("{} {}\n", in_force ? "yes" : "no", took);
  return 0;
}
