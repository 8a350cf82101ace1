#include <csignal>

#include <clearway/os/signals.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/timeout.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;

TEST(Signals, ComeAgainAndAgain) {
  run([]() -> Task<> {
    Signals signals({SIGHUP, SIGUSR1});
    for (int round = 0; round < 3; ++round) {
      ::raise(SIGHUP);
      EXPECT_EQ(co_await signals.next(), SIGHUP);
      ::raise(SIGUSR1);
      EXPECT_EQ(co_await signals.next(), SIGUSR1);
    }
    EXPECT_THROW(Signals({SIGHUP}), UsageError);
    for (int times = 0; times < 3; ++times) {
      ::raise(SIGHUP);
      co_await sleep(1ms);
    }
    EXPECT_EQ(co_await signals.next(), SIGHUP);  // however often it came
    // Nobody waits; it is there for whoever does later.
    auto none = co_await move_on_after(1ms, signals.next());
    EXPECT_FALSE(none.has_value());
    ::raise(SIGUSR1);
    co_await sleep(1ms);
    EXPECT_EQ(co_await signals.next(), SIGUSR1);
  }());
  // The handlers from before are back.
  struct sigaction now{};
  ::sigaction(SIGHUP, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
}

}  // namespace
}  // namespace clearway
