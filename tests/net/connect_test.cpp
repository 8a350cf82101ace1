#include <sys/stat.h>
#include <unistd.h>
#include <clearway/net/error.hpp>
#include <tests/net/both.hpp>

#include <cerrno>
#include <vector>

namespace net_tests {
namespace {

using namespace clearway;
using namespace std::chrono_literals;

std::string text_of(const Error& error) { return error.what(); }

TEST(Connect, ReachesAListener) {
  over_both([]() -> Task<> {
    Listener listener = listen("localhost", 0);
    EXPECT_NE(listener.address().port(), 0);
    Stream client = co_await connect("127.0.0.1", listener.address().port());
    Stream server = co_await listener.accept();
    EXPECT_EQ(client.peer(), listener.address());
    EXPECT_EQ(server.peer(), client.local());
    Stream second = co_await connect("localhost", listener.address().port());
    Stream accepted = co_await listener.accept();
    co_await second.write("x");
    const std::string byte = co_await accepted.read_exactly(1);
    EXPECT_EQ(byte, "x");
  });
}

TEST(Connect, UnixSockets) {
  over_both(
      []() -> Task<> {
        const std::string path = "/tmp/clearway-net-test-" + std::to_string(::getpid());
        {
          Listener listener = listen_unix(path);
          Stream client = co_await connect_unix(path);
          Stream server = co_await listener.accept();
          co_await client.write("over a path");
          client.close();
          const std::string text = co_await server.read_all();
          EXPECT_EQ(text, "over a path");
        }
        EXPECT_NE(::access(path.c_str(), F_OK), 0) << "the file is removed";
        EXPECT_THROW(listen_unix(""), UsageError);
      },
      20);
}

TEST(Connect, ReplacesTheFileOfAServerThatIsGone) {
  run([]() -> Task<> {
    const std::string path = "/tmp/clearway-stale-test-" + std::to_string(::getpid());
    Listener gone = listen_unix(path);
    EXPECT_THROW(listen_unix(path), NetError) << "it is alive";
    struct stat before{};
    ::stat(path.c_str(), &before);
    ::link(path.c_str(), (path + "-kept").c_str());
    gone.close();
    ::rename((path + "-kept").c_str(), path.c_str());
    Listener listener = listen_unix(path);
    Stream client = co_await connect_unix(path);
    EXPECT_TRUE(client.is_open());
  }());
}

TEST(Connect, ARefusedPortIsNamed) {
  over_both([]() -> Task<> {
    std::uint16_t port = 0;
    {
      Listener listener = listen("127.0.0.1", 0);
      port = listener.address().port();
    }
    try {
      Stream stream = co_await connect("127.0.0.1", port);
      ADD_FAILURE() << "connected";
    } catch (const ConnectError& error) {
      EXPECT_EQ(error.code(), ECONNREFUSED);
      EXPECT_EQ(error.phase(), NetPhase::connect);
      EXPECT_EQ(text_of(error),
                "cannot connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused");
    }
  });
}

SimulatedDriver& world() { return static_cast<SimulatedDriver&>(Loop::current().driver()); }

TEST(Connect, TriesTheAddressesInTurn) {
  clearway::sim::run_seeds(100, []() -> Task<> {
    Listener listener = listen("10.0.0.2", 80);
    std::vector<Address> addresses = {*Address::ip("10.0.0.1", 0), *Address::ip("10.0.0.2", 0)};
    world().add_name("shop.example", std::move(addresses));
    Stream stream = co_await connect("shop.example", 80);
    EXPECT_EQ(stream.peer().to_string(), "10.0.0.2:80");
    try {
      Stream other = co_await connect("shop.example", 81);
      ADD_FAILURE() << "connected";
    } catch (const ConnectError& error) {
      EXPECT_EQ(text_of(error),
                "cannot connect to shop.example:81: 10.0.0.1:81: Connection refused; "
                "10.0.0.2:81: Connection refused");
    }
  });
}

// RFC 8305: an address that does not answer holds the others up for a quarter of a second each,
// and the families take turns.
TEST(Connect, PassesOverSilentAddresses) {
  clearway::sim::run_seeds(50, []() -> Task<> {
    Listener listener = listen("10.0.0.4", 80);
    std::vector<Address> addresses;
    for (const char* text : {"fd00::1", "fd00::2", "10.0.0.3", "10.0.0.4"}) {
      addresses.push_back(*Address::ip(text, 0));
      if (addresses.size() < 4) world().add_silent_host(text);
    }
    world().add_name("shop.example", addresses);
    const Instant start = loop_time();
    Stream stream = co_await connect("shop.example", 80);
    EXPECT_EQ(stream.peer().to_string(), "10.0.0.4:80");
    const Duration took = loop_time() - start;
    EXPECT_GE(took, 750ms);
    EXPECT_LE(took, 760ms);
    EXPECT_EQ(Loop::current().driver().open_handles(), 3U);  // both ends and the listener
  });
}

TEST(Connect, TellsOfEveryAddressThatWasSilent) {
  clearway::sim::run_seeds(20, []() -> Task<> {
    world().add_silent_host("10.0.0.1");
    world().add_silent_host("fd00::1");
    std::vector<Address> addresses = {*Address::ip("10.0.0.1", 0), *Address::ip("fd00::1", 0)};
    world().add_name("shop.example", std::move(addresses));
    const Instant start = loop_time();
    try {
      Stream other = co_await connect("shop.example", 81, {.timeout = 2s});
      ADD_FAILURE() << "connected";
    } catch (const ConnectError& error) {
      EXPECT_EQ(text_of(error),
                "cannot connect to shop.example:81: 10.0.0.1:81: no answer within 2 s; "
                "[fd00::1]:81: no answer within 1.75 s");
      EXPECT_EQ(error.code(), ETIMEDOUT);
    }
    EXPECT_LE(loop_time() - start, 2s + 10ms);
  });
}

TEST(Connect, GivesUpInTime) {
  SimulationOptions slow;
  slow.latency_min = slow.latency_max = 10s;
  clearway::sim::run(slow, []() -> Task<> {
    Listener listener = listen("10.0.0.1", 80);
    const Instant start = loop_time();
    try {
      Stream stream = co_await connect("10.0.0.1", 80, {.timeout = 2s});
      ADD_FAILURE() << "connected";
    } catch (const ConnectError& error) {
      EXPECT_EQ(error.code(), ETIMEDOUT);
      EXPECT_EQ(text_of(error).substr(0, 58),
                "cannot connect to 10.0.0.1:80: no answer within 2 s");
    }
    EXPECT_GE(loop_time() - start, 2s);
    EXPECT_LE(loop_time() - start, 13s);
  });
}

TEST(Listen, AnAddressThatIsTakenIsNamed) {
  over_both(
      []() -> Task<> {
        Listener listener = listen("127.0.0.1", 0);
        try {
          Listener second = listen("127.0.0.1", listener.address().port());
          ADD_FAILURE() << "listens twice";
        } catch (const NetError& error) {
          EXPECT_EQ(error.code(), EADDRINUSE);
          EXPECT_NE(text_of(error).find(listener.address().to_string()), std::string::npos);
          EXPECT_NE(text_of(error).find("choose another port"), std::string::npos);
        }
        EXPECT_THROW(listen("example.com", 80), UsageError);
        Listener closed;
        EXPECT_THROW(co_await closed.accept(), NetError);
      },
      10);
}

TEST(Listen, SeveralLoopsMayShareAPort) {
  run([]() -> Task<> {
    Listener first = listen("127.0.0.1", 0, {.reuse_port = true});
    Listener second = listen(first.address(), {.reuse_port = true});
    EXPECT_EQ(first.address(), second.address());
    co_return;
  }());
}

TEST(ConnectCancellation, LeavesNothingBehind) {
  exhaust([](clearway::sim::Stage& stage) -> Task<> {
    Listener listener = listen("127.0.0.1", 0);
    std::vector<Address> addresses = {*Address::ip("10.0.0.1", 0), Address::loopback(0)};
    world().add_name("a.example", std::move(addresses));
    auto stream = co_await stage.run(connect("a.example", listener.address().port()));
    if (stream) {
      EXPECT_TRUE(stream->is_open());
    }
  });
}

// A connection that had arrived is there for the next accept().
TEST(AcceptCancellation, LosesNoConnection) {
  exhaust([](clearway::sim::Stage& stage) -> Task<> {
    Listener listener = listen("127.0.0.1", 0);
    Stream client;
    Stream server;
    const auto dial = [&]() -> Task<> { client = co_await connect(listener.address()); };
    const auto answer = [&]() -> Task<> {
      auto accepted = co_await stage.run(listener.accept());
      if (accepted) {
        server = std::move(*accepted);
      } else {
        server = co_await listener.accept();
      }
    };
    co_await gather(dial(), answer());
    co_await client.write("hello");
    const std::string text = co_await server.read_exactly(5);
    EXPECT_EQ(text, "hello");
  });
}

}  // namespace
}  // namespace net_tests
