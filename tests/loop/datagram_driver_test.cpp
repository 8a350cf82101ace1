// Datagrams, run over all drivers.

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include <tests/loop/driver_world.hpp>

namespace driver_tests {
namespace {

using namespace clearway;

class DatagramDriverTest : public DriverTest {};

INSTANTIATE_TEST_SUITE_P(Drivers, DatagramDriverTest,
                         ::testing::Values("epoll", "uring", "uring_cooperative", "uring_plain",
                                           "simulated"),
                         [](const auto& info) { return std::string(info.param); });

// Two sockets on loopback.
struct Sockets {
  explicit Sockets(World& world) : world(world), driver(world.driver()) {
    for (int index = 0; index < 2; ++index) {
      handles[index] = driver.open_datagram(AF_INET);
      EXPECT_GE(handles[index], 0);
      addresses[index] = Address::loopback(0);
      EXPECT_EQ(driver.bind_datagram(handles[index], addresses[index]), 0);
      EXPECT_NE(addresses[index].port(), 0);
    }
  }
  ~Sockets() {
    for (const Handle handle : handles) driver.close(handle);
    EXPECT_EQ(driver.open_handles(), 0U);
  }
  std::int64_t send(int from, std::string text, Address* target) {
    Probe probe(Operation::Kind::send_datagram, handles[from]);
    iovec piece{text.data(), text.size()};
    probe.vectors = &piece;
    probe.vector_count = 1;
    probe.address = target;
    return world.run(probe);
  }
  std::string receive(int at, std::size_t most = 100, Address* sender = nullptr) {
    std::string into(most, ' ');
    Probe probe(Operation::Kind::receive_datagram, handles[at]);
    probe.data = into.data();
    probe.size = most;
    probe.address = sender;
    result = world.run(probe);
    into.resize(std::min(most, static_cast<std::size_t>(std::max<std::int64_t>(result, 0))));
    return into;
  }

  World& world;
  Driver& driver;
  Handle handles[2];
  Address addresses[2];
  std::int64_t result = 0;
};

TEST_P(DatagramDriverTest, KeepsTheBoundariesAndNamesTheSender) {
  each([](World& world) {
    Sockets sockets(world);
    EXPECT_EQ(sockets.send(0, "one", &sockets.addresses[1]), 3);
    Address sender;
    EXPECT_EQ(sockets.receive(1, 100, &sender), "one");
    EXPECT_EQ(sender, sockets.addresses[0]);
    EXPECT_EQ(sockets.send(0, "", &sockets.addresses[1]), 0);
    EXPECT_EQ(sockets.receive(1), "");
    EXPECT_EQ(sockets.result, 0) << "an empty datagram is one";
    EXPECT_EQ(sockets.send(1, "0123456789", &sender), 10);
    EXPECT_EQ(sockets.receive(0, 4), "0123");
    EXPECT_EQ(sockets.result, 10) << "how long it was";
  });
}

TEST_P(DatagramDriverTest, AConnectedOneHearsThatNobodyReceives) {
  each([](World& world) {
    Sockets sockets(world);
    Driver& driver = sockets.driver;
    const Handle gone = driver.open_datagram(AF_INET);
    Address nowhere = Address::loopback(0);
    EXPECT_EQ(driver.bind_datagram(gone, nowhere), 0);
    driver.close(gone);
    EXPECT_EQ(driver.connect_datagram(sockets.handles[0], nowhere), 0);
    EXPECT_EQ(sockets.send(0, "hello?", nullptr), 6);
    sockets.receive(0);
    EXPECT_EQ(sockets.result, -ECONNREFUSED);
    EXPECT_EQ(sockets.send(1, "to itself", &sockets.addresses[1]), 9);
    EXPECT_EQ(sockets.receive(1), "to itself");
    EXPECT_EQ(sockets.send(1, "nowhere", nullptr), -EDESTADDRREQ);
  });
}

TEST_P(DatagramDriverTest, ACancelledReceiveLeavesWhatArrives) {
  each([](World& world) {
    Sockets sockets(world);
    char into[100];
    std::vector<std::string> got;
    constexpr int count = 10;
    for (int round = 0; round < count; ++round) {
      Probe probe(Operation::Kind::receive_datagram, sockets.handles[1]);
      probe.data = into;
      probe.size = sizeof into;
      world.start(probe);
      EXPECT_EQ(sockets.send(0, std::string(1, char('a' + round)), &sockets.addresses[1]), 1);
      if (round % 2 == 0) world.driver().wait(Instant::min());
      if (probe.completions == 0) world.driver().cancel(probe);
      if (world.finish(probe) > 0) got.emplace_back(into, 1);
    }
    while (got.size() < count) got.push_back(sockets.receive(1));
    std::sort(got.begin(), got.end());
    for (int round = 0; round < count; ++round) {
      EXPECT_EQ(got[static_cast<std::size_t>(round)], std::string(1, char('a' + round)));
    }
  });
}

TEST_P(DatagramDriverTest, SeveralMayWait) {
  each([](World& world) {
    Sockets sockets(world);
    char into[2][10];
    Probe first(Operation::Kind::receive_datagram, sockets.handles[1]);
    Probe second(Operation::Kind::receive_datagram, sockets.handles[1]);
    first.data = into[0];
    second.data = into[1];
    first.size = second.size = sizeof into[0];
    world.start(first);
    world.start(second);
    for (int round = 0; round < 2; ++round) {
      EXPECT_EQ(sockets.send(0, "x", &sockets.addresses[1]), 1);
    }
    EXPECT_EQ(world.finish(first), 1);
    EXPECT_EQ(world.finish(second), 1);
  });
}

TEST_P(DatagramDriverTest, OnePortOnce) {
  each([](World& world) {
    Sockets sockets(world);
    Driver& driver = sockets.driver;
    const Handle another = driver.open_datagram(AF_INET);
    EXPECT_EQ(driver.bind_datagram(another, sockets.addresses[0]), -EADDRINUSE);
    driver.close(another);
  });
}

// What is left to chance is left to the seed.
TEST(SimulatedDatagrams, AreLostDoubledAndOvertaken) {
  SimulationOptions options;
  options.datagram_loss = 20;
  options.datagram_duplicates = 20;
  int lost = 0;
  int doubled = 0;
  int overtaken = 0;
  for (options.seed = 1; options.seed <= 200; ++options.seed) {
    World world(std::make_unique<SimulatedDriver>(options));
    Sockets sockets(world);
    for (char letter = 'a'; letter < 'f'; ++letter) {
      sockets.send(0, std::string(1, letter), &sockets.addresses[1]);
    }
    world.settle();
    std::string got;
    for (;;) {
      Probe readable(Operation::Kind::readable, sockets.handles[1]);
      world.start(readable);
      world.settle();
      world.driver().cancel(readable);
      if (world.finish(readable) != 0) break;
      got += sockets.receive(1);
    }
    for (char letter = 'a'; letter < 'f'; ++letter) {
      const auto count = std::count(got.begin(), got.end(), letter);
      lost += count == 0 ? 1 : 0;
      doubled += count == 2 ? 1 : 0;
    }
    overtaken += std::is_sorted(got.begin(), got.end()) ? 0 : 1;
  }
  EXPECT_GT(lost, 100);
  EXPECT_LT(lost, 300);
  EXPECT_GT(doubled, 100);
  EXPECT_GT(overtaken, 50);
}

}  // namespace
}  // namespace driver_tests
