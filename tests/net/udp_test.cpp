#include <clearway/net/udp_socket.hpp>
#include <clearway/task/race.hpp>
#include <tests/net/both.hpp>

#include <algorithm>
#include <cerrno>
#include <set>

namespace net_tests {
namespace {

using namespace clearway;
using namespace std::chrono_literals;

template <class F>
Task<std::string> failure_of(F operation) {
  try {
    co_await operation();
  } catch (const std::exception& error) {
    co_return error.what();
  }
  co_return "nothing failed";
}

// A port that nobody receives on.
Address nowhere() { return bind_udp("127.0.0.1", 0).local(); }

TEST(Udp, AsksAndAnswers) {
  over_both([]() -> Task<> {
    UdpSocket server = bind_udp("127.0.0.1", 0);
    UdpSocket client = bind_udp("localhost", 0);
    EXPECT_NE(server.local().port(), 0);
    co_await client.send_to("ping", server.local());
    const Datagram question = co_await server.receive_from();
    EXPECT_EQ(question.data, "ping");
    EXPECT_EQ(question.size, 4U);
    EXPECT_FALSE(question.truncated());
    EXPECT_EQ(question.from, client.local());
    co_await server.send_view_to("pong", question.from);
    char into[10];
    const DatagramSize answer = co_await client.receive_into(into);
    EXPECT_EQ(std::string_view(into, answer.stored), "pong");
    EXPECT_EQ(answer.from, server.local());
  });
}

TEST(Udp, TellsWhatWasCut) {
  over_both([]() -> Task<> {
    UdpSocket server = bind_udp("127.0.0.1", 0);
    UdpSocket client = co_await connect_udp(server.local());
    const Address back = client.local();
    co_await client.send("0123456789");
    const Datagram cut = co_await server.receive_from(4);
    EXPECT_EQ(cut.data, "0123");
    EXPECT_EQ(cut.size, 10U);
    EXPECT_TRUE(cut.truncated());
    char into[3];
    co_await client.send_view("abcd");
    const DatagramSize size = co_await server.receive_into(into);
    EXPECT_EQ(size.stored, 3U);
    EXPECT_EQ(size.size, 4U);
    EXPECT_TRUE(size.truncated());
    co_await server.send_to("too long", Address::loopback(back.port()));
    const std::string text = co_await failure_of([&]() -> Task<> { co_await client.receive(3); });
    EXPECT_EQ(text, server.local().to_string() +
                        " sent a datagram of 8 bytes, more than the 3 that were asked for; the "
                        "limit is an argument of receive()");
    co_await client.send("");
    const Datagram empty = co_await server.receive_from();
    EXPECT_EQ(empty.data, "");
    EXPECT_FALSE(empty.truncated());
  });
}

TEST(Udp, TheLongestGoesAndALongerOneSaysSo) {
  over_both(
      []() -> Task<> {
        UdpSocket server = bind_udp("127.0.0.1", 0);
        UdpSocket client = co_await connect_udp(server.local());
        co_await client.send(std::string(65'507, 'x'));
        const Datagram longest = co_await server.receive_from();
        EXPECT_EQ(longest.data, std::string(65'507, 'x'));
        const std::string text = co_await failure_of(
            [&]() -> Task<> { co_await client.send(std::string(65'508, 'x')); });
        EXPECT_EQ(text, "cannot send 65508 bytes to " + server.local().to_string() +
                            ": Message too long; a datagram has at most 65,507 bytes, and only "
                            "about 1,400 travel in one packet");
      },
      20);
}

TEST(Udp, AConnectedSocketTakesItsPeersOnlyAndHearsWhenItIsGone) {
  over_both([]() -> Task<> {
    UdpSocket server = bind_udp("127.0.0.1", 0);
    UdpSocket stranger = bind_udp("127.0.0.1", 0);
    UdpSocket client = co_await connect_udp("localhost", server.local().port());
    EXPECT_EQ(client.peer(), server.local());
    co_await client.send("hello");
    const Datagram hello = co_await server.receive_from();
    co_await stranger.send_to("not from the peer", hello.from);
    co_await sleep(2ms);
    co_await server.send_to("from the peer", hello.from);
    const std::string answer = co_await client.receive();
    EXPECT_EQ(answer, "from the peer");

    const Address gone = server.local();
    server.close();
    co_await client.send("anybody?");
    const std::string text = co_await failure_of([&]() -> Task<> { co_await client.receive(); });
    EXPECT_EQ(text, "cannot receive from " + gone.to_string() +
                        ": Connection refused; nobody receives there: a datagram that was sent "
                        "before came back");
  });
}

TEST(Udp, ASendHearsOfTheOneBefore) {
  over_both([]() -> Task<> {
    const Address gone = nowhere();
    UdpSocket client = co_await connect_udp(gone);
    co_await client.send("anybody?");
    co_await sleep(3ms);
    try {
      co_await client.send("anybody?");
      ADD_FAILURE() << "it was sent";
    } catch (const NetError& error) {
      EXPECT_EQ(error.code(), ECONNREFUSED);
      EXPECT_EQ(error.phase(), NetPhase::write);
      EXPECT_EQ(std::string(error.what()),
                "cannot send 8 bytes to " + gone.to_string() +
                    ": Connection refused; nobody receives there: a datagram that was sent before "
                    "came back");
    }
    co_await client.send("once more");  // the error was told
  });
}

TEST(Udp, ManyWithOneCall) {
  over_both([]() -> Task<> {
    UdpSocket server = bind_udp("127.0.0.1", 0);
    UdpSocket client = co_await connect_udp(server.local());
    std::vector<std::string> texts;
    for (int number = 0; number < 70; ++number) texts.push_back("number " + std::to_string(number));
    texts.emplace_back();
    texts.push_back(std::string(3000, 'x'));
    std::vector<OutgoingDatagram> questions;
    for (const std::string& text : texts) questions.push_back({text});
    co_await client.send_many(questions);
    co_await sleep(3ms);  // all have come
    std::multiset<std::string> got;
    std::size_t most = 0;
    while (got.size() < texts.size()) {
      const std::vector<Datagram> some = co_await server.receive_many();
      EXPECT_FALSE(some.empty());
      most = std::max(most, some.size());
      std::vector<OutgoingDatagram> answers;
      for (const Datagram& datagram : some) {
        EXPECT_EQ(datagram.truncated(), datagram.size == 3000);
        EXPECT_EQ(datagram.data.size(), std::min<std::size_t>(datagram.size, 2048));
        got.insert(datagram.truncated() ? texts.back() : datagram.data);
        answers.push_back({.data = "answer", .target = datagram.from});
      }
      co_await server.send_many(answers);
    }
    EXPECT_EQ(got, std::multiset<std::string>(texts.begin(), texts.end()));
    EXPECT_GT(most, 1U);
    for (std::size_t count = 0; count < texts.size(); ++count) {
      const std::string answer = co_await client.receive();
      EXPECT_EQ(answer, "answer");
    }
    const std::string text = co_await failure_of([&]() -> Task<> {
      std::vector<OutgoingDatagram> nowhere{{"x"}};
      co_await server.send_many(nowhere);
    });
    EXPECT_EQ(text,
              "cannot send 1 bytes: Destination address required; say where to with send_to(), or "
              "make the socket with connect_udp()");
  });
}

TEST(Udp, FindsHostsByName) {
  over_both([]() -> Task<> {
    UdpSocket server = bind_udp("127.0.0.1", 0);
    UdpSocket client = bind_udp("127.0.0.1", 0);
    co_await client.send_to("by name", "localhost", server.local().port());
    const Datagram datagram = co_await server.receive_from();
    EXPECT_EQ(datagram.data, "by name");
    const std::string text =
        co_await failure_of([&]() -> Task<> { co_await client.send_to("x", "::1", 9); });
    EXPECT_EQ(text,
              "cannot send to ::1: it has no IPv4 address, and the socket is IPv4's; one that is "
              "bound to \"::\" has both");
  });
}

TEST(Udp, OneSocketForBothFamilies) {
  clearway::tests::on_real_drivers([]() -> Task<> {
    UdpSocket both = bind_udp("::", 0);
    UdpSocket v4 = bind_udp("127.0.0.1", 0);
    UdpSocket v6 = bind_udp("::1", 0);
    co_await v4.send_to("four", Address::loopback(both.local().port()));
    const Datagram four = co_await both.receive_from();
    EXPECT_EQ(four.from, v4.local()) << "an IPv4 sender has its IPv4 address";
    co_await both.send_to("back", four.from);
    const Datagram back = co_await v4.receive_from();
    EXPECT_EQ(back.data, "back");
    co_await v6.send_to("six", *Address::ip("::1", both.local().port()));
    const Datagram six = co_await both.receive_from();
    EXPECT_EQ(six.from, v6.local());
    const std::string text =
        co_await failure_of([&]() -> Task<> { co_await v4.send_to("x", v6.local()); });
    EXPECT_NE(text.find("the socket is of the other family"), std::string::npos) << text;
  });
}

TEST(Udp, Multicast) {
  over_both([]() -> Task<> {
    const UdpOptions shared{.reuse_address = true};
    UdpSocket first = bind_udp("0.0.0.0", 0, shared);
    const std::uint16_t port = first.local().port();
    UdpSocket second = bind_udp("0.0.0.0", port, shared);
    UdpSocket sender = bind_udp("127.0.0.1", 0);
    first.join("239.255.13.7", clearway::tests::simulated() ? "" : "lo");
    second.join("239.255.13.7", clearway::tests::simulated() ? "" : "lo");
    co_await sender.send_to("to all", *Address::ip("239.255.13.7", port));
    const Datagram one = co_await first.receive_from();
    const Datagram other = co_await second.receive_from();
    EXPECT_EQ(one.data, "to all");
    EXPECT_EQ(other.data, "to all");
    EXPECT_EQ(clearway::tests::error_of([&] { first.join("239.255.13.7", "lo"); }),
              "cannot join 239.255.13.7: Address already in use; it is a member already");
    second.leave("239.255.13.7", "lo");
    EXPECT_EQ(clearway::tests::error_of([&] { second.leave("239.255.13.7", "lo"); }),
              "cannot leave 239.255.13.7: Cannot assign requested address; it is no member");
  });
}

TEST(Udp, SaysWhatIsWrongWithAGroup) {
  over_both([]() -> Task<> {
    UdpSocket socket = bind_udp("127.0.0.1", 0);
    const auto join = [&](const char* group, const char* interface) {
      return clearway::tests::error_of([&] { socket.join(group, interface); });
    };
    EXPECT_EQ(join("10.0.0.1", ""),
              "10.0.0.1 is no multicast group: those are 224.0.0.0 to 239.255.255.255, and ff00:: "
              "and above");
    EXPECT_EQ(join("example.com", ""),
              "\"example.com\" is no multicast group: give its address, \"239.1.2.3\" or "
              "\"ff02::fb\"");
    EXPECT_EQ(join("239.1.2.3", "no-such"),
              "cannot join 239.1.2.3: this machine has no interface \"no-such\"; `ip link` names "
              "them");
    co_return;
  });
}

TEST(Udp, BroadcastHasToBeAllowed) {
  sim::run_seeds(20, []() -> Task<> {
    UdpSocket server = bind_udp("*", 4000);
    UdpSocket client = bind_udp("*", 0);
    const Address everybody = *Address::ip("255.255.255.255", 4000);
    const std::string text =
        co_await failure_of([&]() -> Task<> { co_await client.send_to("x", everybody); });
    EXPECT_EQ(text,
              "cannot send 1 bytes to 255.255.255.255:4000: Permission denied; to send to a "
              "broadcast address, set UdpOptions::broadcast");
    UdpSocket allowed = bind_udp("*", 0, UdpOptions{.broadcast = true});
    co_await allowed.send_to("to all", everybody);
    const Datagram datagram = co_await server.receive_from();
    EXPECT_EQ(datagram.data, "to all");
  });
}

TEST(Udp, SaysWhatIsWrongWithItsUse) {
  over_both([]() -> Task<> {
    EXPECT_EQ(clearway::tests::error_of([] { bind_udp("example.com", 1); }),
              "cannot receive datagrams on \"example.com\": give an address of this machine "
              "(\"127.0.0.1\", \"::1\"), \"localhost\", or \"*\" for all");
    UdpSocket socket = bind_udp("127.0.0.1", 0);
    const std::string there = socket.local().to_string();
    EXPECT_EQ(clearway::tests::error_of([&] { bind_udp(socket.local()); }),
              "cannot receive datagrams on " + there +
                  ": Address already in use; another program receives there, stop it or choose "
                  "another port");
    std::string text = co_await failure_of([&]() -> Task<> { co_await socket.send("x"); });
    EXPECT_EQ(text,
              "cannot send 1 bytes: Destination address required; say where to with send_to(), or "
              "make the socket with connect_udp()");
    socket.close();
    text = co_await failure_of([&]() -> Task<> { co_await socket.receive_from(); });
    EXPECT_EQ(text, "cannot receive on a UDP socket that is closed");
    text = co_await failure_of([&]() -> Task<> { co_await socket.send("x"); });
    EXPECT_EQ(text, "cannot send on a UDP socket that is closed");
  });
}

// Whatever is cancelled when, each datagram that arrived is received exactly once.
TEST(Udp, CancellationLosesNoDatagram) {
  exhaust([](sim::Stage& stage) -> Task<> {
    UdpSocket server = bind_udp("127.0.0.1", 0);
    UdpSocket client = co_await connect_udp(server.local());
    std::multiset<std::string> got;
    int sent = 0;
    const auto receive_some = [&]() -> Task<> {
      const Datagram datagram = co_await server.receive_from();
      got.insert(datagram.data);
      for (int count = 0; count < 2; ++count) {
        const std::vector<Datagram> some = co_await server.receive_many();
        for (const Datagram& one : some) got.insert(one.data);
        if (got.size() == 5) break;
      }
    };
    const auto send_some = [&]() -> Task<> {
      for (int count = 0; count < 5; ++count) {
        co_await client.send(std::string(1, char('a' + count)));
        ++sent;
      }
    };
    const auto both = [&]() -> Task<> { co_await gather(receive_some(), send_some()); };
    co_await stage.run(both());
    co_await client.send("last");
    co_await sleep(10ms);  // all have arrived
    while (got.size() < static_cast<std::size_t>(sent) + 1) {
      const Datagram datagram = co_await server.receive_from();
      got.insert(datagram.data);
    }
    for (int count = 0; count < sent; ++count) {
      EXPECT_EQ(got.count(std::string(1, char('a' + count))), 1U);
    }
    EXPECT_EQ(got.count("last"), 1U);
  });
}

TEST(Udp, ACancelledReceiveTakesNothingOnAnyDriver) {
  over_both([]() -> Task<> {
    UdpSocket server = bind_udp("127.0.0.1", 0);
    UdpSocket client = co_await connect_udp(server.local());
    const auto receive = [&]() -> Task<> { co_await server.receive_from(); };
    for (int round = 0; round < 5; ++round) {
      const auto nothing = co_await move_on_after(1ms, receive());
      EXPECT_FALSE(nothing.has_value());
    }
    co_await client.send("still there");
    const Datagram datagram = co_await server.receive_from();
    EXPECT_EQ(datagram.data, "still there");
  });
}

// A program that copes with loss, as it would be written.
TEST(Udp, ALossyWorldIsCopedWith) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SimulationOptions options;
    options.seed = seed;
    options.datagram_loss = 30;
    options.datagram_duplicates = 10;
    sim::run(options, []() -> Task<> {
      UdpSocket server = bind_udp("127.0.0.1", 0);
      UdpSocket client = co_await connect_udp(server.local());
      const auto serve = [&]() -> Task<> {
        for (;;) {
          const Datagram question = co_await server.receive_from();
          co_await server.send_to("answer", question.from);
        }
      };
      const auto receive = [&]() -> Task<std::string> { co_return co_await client.receive(); };
      const auto ask = [&]() -> Task<> {
        for (;;) {
          co_await client.send("question");
          const auto answer = co_await move_on_after(5ms, receive());
          if (answer) co_return;
        }
      };
      co_await race(serve(), ask());
    });
  }
}

}  // namespace
}  // namespace net_tests
