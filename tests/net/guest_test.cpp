// Sockets of a loop inside another one, which here is a plain poll(2).

#include <poll.h>
#include <clearway/task/guest.hpp>
#include <tests/loop/driver_world.hpp>
#include <tests/net/both.hpp>

namespace net_tests {
namespace {

using namespace clearway;
using namespace std::chrono_literals;

class NetGuest : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Drivers, NetGuest, ::testing::ValuesIn(driver_tests::host_drivers),
                         [](const auto& info) { return std::string(info.param); });

Task<> echo(Listener& listener, int clients) {
  co_await task_group([&](TaskGroup& group) -> Task<> {
    for (int client = 0; client < clients; ++client) {
      Stream stream = co_await listener.accept();
      group.start(
          [](Stream peer) -> Task<> {
            while (auto piece = co_await peer.read_some()) co_await peer.write(*piece);
          },
          std::move(stream));
    }
  });
}

Task<> ask(Address address, int rounds, int& answers) {
  Stream stream = co_await connect(address);
  for (int round = 0; round < rounds; ++round) {
    co_await stream.write("question\n");
    auto line = co_await stream.read_line();
    if (line == "question") ++answers;
    if (round % 8 == 0) co_await sleep(1ms);
  }
}

TEST_P(NetGuest, ServesWhileTheHostWaits) {
  std::string refusal;
  std::unique_ptr<Driver> driver = driver_tests::make_real(GetParam(), refusal);
  if (driver == nullptr) GTEST_SKIP() << refusal;
  constexpr int clients = 10;
  constexpr int rounds = 20;
  int answers = 0;
  const auto work = [&]() -> Task<> {
    Listener listener = listen("127.0.0.1", 0);
    const auto client = [&](int) { return ask(listener.address(), rounds, answers); };
    co_await gather(echo(listener, clients), gather(std::views::iota(0, clients), client));
  };
  Guest guest(work(), std::move(driver));
  int waits = 0;
  while (!guest.done()) {
    pollfd wait{guest.descriptor(), POLLIN, 0};
    const int milliseconds = guest.milliseconds();
    // A lost wake-up would be waited for here until the last timer is over, and then for ever.
    const int ready = ::poll(&wait, 1, milliseconds < 0 ? 10'000 : milliseconds);
    ASSERT_FALSE(milliseconds < 0 && ready == 0) << "nothing told the host to go on";
    ++waits;
    guest.run_ready();
  }
  guest.take();
  EXPECT_EQ(answers, clients * rounds);
  EXPECT_LT(waits, 40 * clients * rounds) << "the host spins";
}

}  // namespace
}  // namespace net_tests
