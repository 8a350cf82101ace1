// The client's limits in time and number, and servers that do not wait for the whole request.

#include "client_peer.hpp"

#include <clearway/net/error.hpp>

namespace clearway::client_tests {
namespace {

TEST(ClientLimits, ConnectingEndsAtItsTimeout) {
  sim::run_seeds(20, []() -> Task<> {
    dynamic_cast<SimulatedDriver&>(Loop::current().driver()).add_silent_host("10.0.0.1");
    http::SessionOptions options;
    options.timeouts.connect = 3s;
    http::Session session("http://10.0.0.1", options);
    const Instant start = loop_time();
    const std::string message = co_await message_of(session.get("/").text());
    EXPECT_GE(loop_time() - start, 3s);
    EXPECT_LE(loop_time() - start, 3010ms);
    EXPECT_TRUE(has(message, "timed out: no connection")) << message;
    EXPECT_TRUE(has(message, "within the connect timeout of 3 s")) << message;
    EXPECT_TRUE(has(message, "(connect phase, after 3 s, nothing was sent)")) << message;
    EXPECT_EQ(session.connections(), 0u);
  });
}

TEST(ClientLimits, SendingEndsAtItsTimeout) {
  sim::run_seeds(20, []() -> Task<> {
    Peer deaf([](Peer&, Stream&) -> Task<> { co_await sleep(1000s); });
    co_await with_peer(deaf, [&]() -> Task<> {
      http::SessionOptions options;
      options.timeouts.write = 4s;
      http::Session session(deaf.url(), options);
      const Instant start = loop_time();
      const std::string body(1 << 20, 'x');
      const std::string message = co_await message_of(session.post("/").body(body).text());
      EXPECT_GE(loop_time() - start, 4s);
      EXPECT_LE(loop_time() - start, 4100ms);
      EXPECT_TRUE(has(message, "the server does not take the request")) << message;
      EXPECT_TRUE(has(message, "within the write timeout of 4 s")) << message;
      EXPECT_TRUE(has(message, "(write phase, after 4")) << message;
      EXPECT_EQ(session.connections(), 0u);
    });
  });
}

// A server that takes two seconds for each request, and remembers how many it had at once.
struct Crowd {
  Crowd()
      : peer([this](Peer&, Stream& stream) -> Task<> {
          for (;;) {
            const std::string request = co_await read_request(stream);
            if (request.empty()) co_return;
            most = std::max(most, ++now);
            co_await sleep(2s);
            --now;
            co_await stream.write(answer("x"));
          }
        }) {}
  Peer peer;
  int now = 0;
  int most = 0;
};

TEST(ClientLimits, EachHostHasItsOwnLimit) {
  sim::run_seeds(20, []() -> Task<> {
    Crowd one;
    Crowd two;
    co_await with_peer(one.peer, [&]() -> Task<> {
      co_await with_peer(two.peer, [&]() -> Task<> {
        http::SessionOptions options;
        options.limit = 10;
        options.per_host = 3;
        http::Session session(options);
        const Instant start = loop_time();
        co_await gather(std::views::iota(0, 12), [&](int number) -> Task<> {
          const Crowd& host = number % 2 == 0 ? one : two;
          const std::string body = co_await session.get(host.peer.url() + "/").text();
          EXPECT_EQ(body, "x");
        });
        // Six for each host, three at a time.
        EXPECT_GE(loop_time() - start, 4s);
        EXPECT_LE(loop_time() - start, 4500ms);
      });
    });
    EXPECT_EQ(one.most, 3);
    EXPECT_EQ(two.most, 3);
    EXPECT_LE(one.peer.connections, 3);
  });
}

// Reads the head of a request, answers it at once and reads no more.
Peer refusing(std::string text) {
  return Peer([text](Peer& peer, Stream& stream) -> Task<> {
    peer.requests.push_back(co_await stream.read_until("\r\n\r\n"));
    co_await stream.write(text);
    co_await sleep(1000s);
  });
}

TEST(ClientLimits, AnAnswerMayComeBeforeTheBodyIsSent) {
  sim::run_seeds(50, []() -> Task<> {
    Peer peer = refusing(answer("too large", "", "413 Content Too Large"));
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url());
      const Instant start = loop_time();
      {
        const std::string body(4 << 20, 'x');
        auto response = co_await session.post("/").body(body);
        EXPECT_EQ(response.status(), 413);
        const std::string text = co_await response.text();
        EXPECT_EQ(text, "too large");
      }
      EXPECT_LE(loop_time() - start, 1s);
      EXPECT_EQ(session.connections(), 0u) << "the rest of the body was never sent";
    });
  });
}

TEST(ClientLimits, AnEmptyAnswerBeforeTheBodyIsSentDoesNotKeepTheConnection) {
  sim::run_seeds(50, []() -> Task<> {
    Peer peer = refusing(answer("", "", "413 Content Too Large"));
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url());
      auto response = co_await session.post("/").body(std::string(4 << 20, 'x'));
      EXPECT_EQ(response.status(), 413);
      EXPECT_EQ(session.connections(), 0u);
    });
  });
}

TEST(ClientLimits, AnInterimAnswerDoesNotEndTheBody) {
  sim::run_seeds(50, []() -> Task<> {
    constexpr std::size_t size = 1 << 20;
    Peer peer([](Peer&, Stream& stream) -> Task<> {
      co_await stream.read_until("\r\n\r\n");
      co_await stream.write("HTTP/1.1 102 Processing\r\n\r\n");
      co_await sleep(1s);
      const std::string body = co_await stream.read_exactly(size);
      co_await stream.write(answer(fmt::format("got {}", body.size())));
      co_await sleep(1000s);
    });
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url());
      const std::string text = co_await session.post("/").body(std::string(size, 'x')).text();
      EXPECT_EQ(text, "got 1048576");
      EXPECT_EQ(session.connections(), 1u);
    });
  });
}

}  // namespace
}  // namespace clearway::client_tests
