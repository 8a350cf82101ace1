// What concerns the epoll driver alone: how many system calls it makes.

#include <sys/socket.h>
#include <tests/loop/driver_world.hpp>

namespace driver_tests {
namespace {

using namespace clearway;

class EpollDriverTest : public ::testing::Test {
 protected:
  EpollDriverTest() : world_(std::make_unique<EpollDriver>()) {}
  EpollDriver& driver() { return static_cast<EpollDriver&>(world_.driver()); }

  World world_;
};

// The figure that benchmarks compare: one wait, one receive, one send for a request.
TEST_F(EpollDriverTest, ARequestCostsOneWaitOneReceiveOneSend) {
  Pair pair(world_);
  char request[100];
  Probe receive(Operation::Kind::receive, pair.server);
  receive.data = request;
  receive.size = sizeof request;
  world_.start(receive);
  world_.settle();
  const EpollDriver::Calls before = driver().calls();
  constexpr std::uint64_t rounds = 50;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    ASSERT_EQ(::send(pair.client, "GET /", 5, 0), 5);
    driver().wait(never);
    ASSERT_EQ(receive.completions, 1);
    world_.send_all(pair.server, "200");
    world_.start(receive);
    ASSERT_EQ(receive.completions, 0);
  }
  const EpollDriver::Calls& calls = driver().calls();
  EXPECT_EQ(calls.receive - before.receive, rounds);
  EXPECT_EQ(calls.send - before.send, rounds);
  EXPECT_EQ(calls.control, before.control);
  // The client's end has an edge for every answer; it may come as a wait of its own.
  EXPECT_LE(calls.wait - before.wait, 2 * rounds);
  driver().cancel(receive);
}

}  // namespace
}  // namespace driver_tests
