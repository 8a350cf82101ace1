// What every driver must do, run over all of them.

#include <cerrno>

#include <unistd.h>
#include <tests/loop/driver_world.hpp>

namespace driver_tests {

using namespace clearway;

INSTANTIATE_TEST_SUITE_P(Drivers, DriverTest,
                         ::testing::Values("epoll", "uring", "uring_cooperative", "uring_plain",
                                           "simulated"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(DriverTest, ConnectsAndAccepts) {
  each([](World& world) {
    Pair pair(world);
    ASSERT_GE(pair.server, 0);
    EXPECT_NE(pair.address.port(), 0);
    Address seen;
    EXPECT_EQ(world.driver().peer_address(pair.client, seen), 0);
    EXPECT_EQ(seen, pair.address);
    EXPECT_EQ(world.driver().local_address(pair.client, seen), 0);
    EXPECT_EQ(seen, pair.client_address);
    EXPECT_EQ(world.driver().set_no_delay(pair.client, true), 0);
  });
}

TEST_P(DriverTest, RefusesAConnectionNobodyListensFor) {
  each([](World& world) {
    Address address = Address::loopback(0);
    const Handle listener = world.driver().listen(address, 1, false);
    world.driver().close(listener);
    const Handle client = world.driver().open_stream(AF_INET);
    Probe connect(Operation::Kind::connect, client);
    connect.address = &address;
    EXPECT_EQ(world.run(connect), -ECONNREFUSED);
    world.driver().close(client);
  });
}

TEST_P(DriverTest, SaysThatAnAddressIsTaken) {
  each([](World& world) {
    Address address = Address::loopback(0);
    const Handle listener = world.driver().listen(address, 1, false);
    Address again = address;
    EXPECT_EQ(world.driver().listen(again, 1, false), -EADDRINUSE);
    world.driver().close(listener);
  });
}

TEST_P(DriverTest, CarriesBytesBothWaysInOrder) {
  each([](World& world) {
    Pair pair(world);
    std::string sent;
    for (int round = 0; round < 20; ++round) {
      const std::string piece(static_cast<std::size_t>(1 + round * 7), char('a' + round));
      world.send_all(pair.client, piece);
      EXPECT_EQ(world.receive_exactly(pair.server, piece.size()), piece);
      world.send_all(pair.server, piece);
      EXPECT_EQ(world.receive_exactly(pair.client, piece.size()), piece);
    }
  });
}

TEST_P(DriverTest, GathersPieces) {
  each([](World& world) {
    Pair pair(world);
    char first[] = "one ";
    char second[] = "two";
    std::string all = "one two";
    std::size_t done = 0;
    while (done < all.size()) {
      iovec pieces[2] = {{first, 4}, {second, 3}};
      Probe send(Operation::Kind::send, pair.client);
      send.vectors = pieces;
      send.vector_count = 2;
      if (done > 0) {
        pieces[0] = {all.data() + done, all.size() - done};
        send.vector_count = 1;
      }
      const std::int64_t count = world.run(send);
      ASSERT_GT(count, 0);
      done += static_cast<std::size_t>(count);
    }
    EXPECT_EQ(world.receive_exactly(pair.server, all.size()), all);
  });
}

TEST_P(DriverTest, AReceiveWaitsForWhatComesLater) {
  each([](World& world) {
    Pair pair(world);
    char into[10] = "";
    Probe receive(Operation::Kind::receive, pair.server);
    receive.data = into;
    receive.size = sizeof into;
    world.start(receive);
    world.settle();
    EXPECT_EQ(receive.completions, 0);
    world.send_all(pair.client, "x");
    EXPECT_EQ(world.finish(receive), 1);
    EXPECT_EQ(into[0], 'x');
  });
}

TEST_P(DriverTest, HalfCloseEndsOneDirectionOnly) {
  each([](World& world) {
    Pair pair(world);
    world.send_all(pair.client, "question");
    EXPECT_EQ(world.driver().shutdown(pair.client, SHUT_WR), 0);
    EXPECT_EQ(world.receive_all(pair.server), "question");
    char none = 0;
    EXPECT_EQ(world.receive(pair.server, &none, 1), 0) << "the end is not an event of once";
    world.send_all(pair.server, "answer");
    pair.close(pair.server);
    EXPECT_EQ(world.receive_all(pair.client), "answer");
  });
}

TEST_P(DriverTest, TheEndFollowsBytesThatWereReadShort) {
  each([](World& world) {
    Pair pair(world);
    world.send_all(pair.client, "0123456789");
    EXPECT_EQ(world.receive_exactly(pair.server, 4), "0123");
    pair.close(pair.client);
    EXPECT_EQ(world.receive_all(pair.server), "456789");
  });
}

TEST_P(DriverTest, AResetIsAnError) {
  each([](World& world) {
    Pair pair(world);
    world.driver().reset(std::exchange(pair.client, no_handle));
    std::int64_t error = 0;
    EXPECT_EQ(world.receive_all(pair.server, &error), "");
    EXPECT_EQ(error, -ECONNRESET);
  });
}

TEST_P(DriverTest, WritingToAPeerThatHasGoneEndsInAnError) {
  each([](World& world) {
    Pair pair(world);
    pair.close(pair.client);
    std::int64_t result = 0;
    for (int round = 0; round < 100 && result >= 0; ++round) {
      char byte = 'x';
      iovec piece{&byte, 1};
      Probe send(Operation::Kind::send, pair.server);
      send.vectors = &piece;
      send.vector_count = 1;
      result = world.run(send);
      world.settle();
    }
    EXPECT_TRUE(result == -EPIPE || result == -ECONNRESET) << result;
  });
}

TEST_P(DriverTest, AWriterWaitsUntilThePeerReads) {
  SimulationOptions options;
  options.buffer_capacity = 1000;
  each(
      [](World& world) {
        Pair pair(world);
        const std::string chunk(world.real() ? 1 << 20 : 600, 'x');
        iovec piece{const_cast<char*>(chunk.data()), chunk.size()};
        Probe send(Operation::Kind::send, pair.client);
        send.vectors = &piece;
        send.vector_count = 1;
        std::size_t sent = 0;
        for (;;) {
          world.start(send);
          world.settle();
          if (send.completions == 0) break;  // backpressure
          ASSERT_GT(send.result, 0);
          sent += static_cast<std::size_t>(send.result);
          ASSERT_LT(sent, std::size_t{1} << 30);
        }
        const std::string got = world.receive_exactly(pair.server, sent);
        EXPECT_EQ(got.size(), sent);
        EXPECT_GT(world.finish(send), 0);
      },
      options);
}

// What a cancelled receive had not taken is there for the next one; what it had taken it reports.
TEST_P(DriverTest, ACancelledReceiveLosesNothing) {
  each([](World& world) {
    Pair pair(world);
    std::string got;
    const std::string all = "the quick brown fox jumps over the lazy dog";
    char into[7];
    for (std::size_t at = 0; at < all.size(); ++at) {
      Probe receive(Operation::Kind::receive, pair.server);
      receive.data = into;
      receive.size = sizeof into;
      world.start(receive);
      world.send_all(pair.client, all.substr(at, 1));
      if (receive.completions == 0) world.driver().cancel(receive);
      const std::int64_t result = world.finish(receive);
      if (result == -ECANCELED) continue;
      ASSERT_GT(result, 0);
      got.append(into, static_cast<std::size_t>(result));
    }
    pair.close(pair.client);
    got += world.receive_all(pair.server);
    EXPECT_EQ(got, all);
  });
}

TEST_P(DriverTest, ACancelledAcceptLosesNoConnection) {
  each([](World& world) {
    Address address = Address::loopback(0);
    const Handle listener = world.driver().listen(address, 16, false);
    Probe accept(Operation::Kind::accept, listener);
    world.start(accept);
    world.driver().cancel(accept);
    const Handle client = world.connect(address);
    Handle server = static_cast<Handle>(world.finish(accept));
    if (server == -ECANCELED) server = world.accept(listener);
    ASSERT_GE(server, 0);
    for (const Handle handle : {client, server, listener}) world.driver().close(handle);
    EXPECT_EQ(world.driver().open_handles(), 0U);
  });
}

TEST_P(DriverTest, ACancelledConnectCanBeClosed) {
  each([](World& world) {
    Address address = Address::loopback(0);
    const Handle listener = world.driver().listen(address, 16, false);
    const Handle client = world.driver().open_stream(AF_INET);
    Probe connect(Operation::Kind::connect, client);
    connect.address = &address;
    world.start(connect);
    if (connect.completions == 0) world.driver().cancel(connect);
    const std::int64_t result = world.finish(connect);
    EXPECT_TRUE(result == 0 || result == -ECANCELED) << result;
    world.driver().close(client);
    world.driver().close(listener);
  });
}

TEST_P(DriverTest, CancellingWhatHasCompletedDoesNothing) {
  each([](World& world) {
    Pair pair(world);
    world.send_all(pair.client, "x");
    char byte = 0;
    Probe receive(Operation::Kind::receive, pair.server);
    receive.data = &byte;
    receive.size = 1;
    EXPECT_EQ(world.run(receive), 1);
    world.driver().cancel(receive);
    world.settle();
    EXPECT_EQ(receive.completions, 1);
  });
}

TEST_P(DriverTest, AcceptsInOrderOfArrivalWithSeveralWaiting) {
  each([](World& world) {
    Address address = Address::loopback(0);
    const Handle listener = world.driver().listen(address, 16, false);
    Probe first(Operation::Kind::accept, listener);
    Probe second(Operation::Kind::accept, listener);
    world.start(first);
    world.start(second);
    const Handle one = world.connect(address);
    const Handle two = world.connect(address);
    EXPECT_GE(world.finish(first), 0);
    EXPECT_GE(world.finish(second), 0);
    EXPECT_NE(first.result, second.result);
    for (const std::int64_t handle : {first.result, second.result}) {
      world.driver().close(static_cast<Handle>(handle));
    }
    for (const Handle handle : {one, two, listener}) world.driver().close(handle);
  });
}

TEST_P(DriverTest, ReadableWaitsAndTakesNothing) {
  each([](World& world) {
    Pair pair(world);
    Probe readable(Operation::Kind::readable, pair.server);
    world.start(readable);
    world.settle();
    EXPECT_EQ(readable.completions, 0);
    world.send_all(pair.client, "abc");
    EXPECT_EQ(world.finish(readable), 0);
    EXPECT_EQ(world.receive_exactly(pair.server, 3), "abc");
    world.start(readable);
    world.settle();
    EXPECT_EQ(readable.completions, 0) << "all was read";
    pair.close(pair.client);
    EXPECT_EQ(world.finish(readable), 0) << "the end can be read";
  });
}

TEST_P(DriverTest, WritableWhenThereIsRoom) {
  each([](World& world) {
    Pair pair(world);
    Probe writable(Operation::Kind::writable, pair.client);
    EXPECT_EQ(world.run(writable), 0);
  });
}

TEST_P(DriverTest, PairsWithinTheProcess) {
  each([](World& world) {
    Handle pair[2] = {no_handle, no_handle};
    ASSERT_EQ(world.driver().stream_pair(pair), 0);
    world.send_all(pair[0], "hello");
    EXPECT_EQ(world.receive_exactly(pair[1], 5), "hello");
    world.driver().close(pair[0]);
    EXPECT_EQ(world.receive_all(pair[1]), "");
    world.driver().close(pair[1]);
  });
}

TEST_P(DriverTest, UnixSockets) {
  each([](World& world) {
    Address address = Address::unix_path("@clearway-driver-test-" + std::to_string(::getpid()));
    const Handle listener = world.driver().listen(address, 4, false);
    ASSERT_GE(listener, 0);
    const Handle client = world.connect(address);
    const Handle server = world.accept(listener);
    world.send_all(client, "over a path");
    world.driver().shutdown(client, SHUT_WR);
    EXPECT_EQ(world.receive_all(server), "over a path");
    for (const Handle handle : {client, server, listener}) world.driver().close(handle);
  });
}

TEST_P(DriverTest, AHandleThatIsNotOneIsAnError) {
  each([](World& world) {
    char byte = 0;
    EXPECT_EQ(world.receive(no_handle, &byte, 1), -EBADF);
    EXPECT_LT(world.driver().shutdown(no_handle, SHUT_WR), 0);
  });
}

TEST_P(DriverTest, WakeEndsAWait) {
  each([](World& world) {
    world.driver().wake();
    world.driver().wait(never);
    const Instant start = world.driver().now();
    world.driver().wait(after(start, std::chrono::milliseconds(2)));
    EXPECT_GE(world.driver().now(), after(start, std::chrono::milliseconds(2)))
        << "one wake ends one wait";
  });
}

TEST_P(DriverTest, AWaitIsNeverEarly) {
  each([](World& world) {
    for (const int microseconds : {1, 50, 300, 1001}) {
      const Instant deadline = after(world.driver().now(), std::chrono::microseconds(microseconds));
      world.driver().wait(deadline);
      EXPECT_GE(world.driver().now(), deadline);
    }
  });
}

}  // namespace driver_tests
