// One blocking listener that fibers of several loops, and a thread, accept from at once.

#include <atomic>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <clearway/task/race.hpp>

#include "hooks_world.hpp"

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::Outcome;

struct Shared {
  Shared() : listener(::socket(AF_INET, SOCK_STREAM, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener.get(), 100);
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  }
  [[nodiscard]] bool connect() const {
    const Descriptor client(::socket(AF_INET, SOCK_STREAM, 0));
    return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
           0;
  }
  Descriptor listener;
  sockaddr_in address{};
  std::atomic<int> accepted = 0;
  std::atomic<int> wrong = 0;
  std::atomic<int> running = 0;
};

void accept_until_cancelled(Shared& shared) {
  for (;;) {
    const Descriptor one(::accept(shared.listener.get(), nullptr, nullptr));
    if (one.valid()) {
      ++shared.accepted;
      continue;
    }
    if (errno != ECANCELED) ++shared.wrong;
    return;
  }
}

// Until all connections are accepted.
void accept_on_fibers(Shared& shared, int wanted) {
  ++shared.running;
  run([&]() -> Task<> {
    const auto accept = [&](int) { accept_until_cancelled(shared); };
    const auto on_fiber = [&](int number) { return fiber::run(accept, number); };
    const auto range = std::views::iota(0, 5);
    const auto all = [&]() -> Task<> { co_await gather(range, on_fiber); };
    const auto until_done = [&]() -> Task<> {
      while (shared.accepted < wanted) co_await sleep(1ms);
    };
    co_await race(all(), until_done());
  }());
  --shared.running;
}

TEST(HookAccept, LoopsThatShareAListenerDoNotStopOneAnother) {
  constexpr int wanted = 2'000;
  Shared shared;
  std::vector<std::thread> threads;
  for (int count = 0; count < 3; ++count) {
    threads.emplace_back([&] { accept_on_fibers(shared, wanted); });
  }
  for (int count = 0; count < wanted; ++count) EXPECT_TRUE(shared.connect());
  // Whoever waits in the kernel now is not looking at its loop: a connection frees it.
  int rescued = 0;
  const auto limit = std::chrono::steady_clock::now() + 30s;
  while (shared.running > 0) {
    if (std::chrono::steady_clock::now() > limit) {
      ++rescued;
      EXPECT_TRUE(shared.connect());
    }
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(rescued, 0);
  EXPECT_EQ(shared.wrong, 0);
}

// Beside fibers a thread's call waits, though theirs do not.
TEST(HookAccept, AThreadBesideFibersWaits) {
  constexpr int wanted = 2'000;
  Shared shared;
  std::thread loop([&] { accept_on_fibers(shared, wanted); });
  std::atomic<bool> ending = false;
  std::thread other([&] {
    while (!ending) {
      const Descriptor one(::accept(shared.listener.get(), nullptr, nullptr));
      ++(one.valid() ? shared.accepted : shared.wrong);
    }
  });
  for (int count = 0; count < wanted; ++count) EXPECT_TRUE(shared.connect());
  loop.join();
  ending = true;
  EXPECT_TRUE(shared.connect());
  other.join();
  EXPECT_EQ(shared.wrong, 0);
}

}  // namespace
}  // namespace clearway
