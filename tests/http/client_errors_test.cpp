// What goes wrong: each a one-line error with the phase, within its deadline; nothing leaks.

#include "client_peer.hpp"

#include <clearway/http/coding.hpp>
#include <clearway/json.hpp>

namespace clearway::client_tests {
namespace {

// A peer that sends `text` after the first request and closes, or says nothing more.
Peer saying(std::string text, bool closes = true) {
  return Peer([text, closes](Peer& peer, Stream& stream) -> Task<> {
    peer.requests.push_back(co_await read_request(stream));
    co_await stream.write(text);
    if (!closes) co_await sleep(1000s);
  });
}

// The error of one GET, one line, that names the request; at most `within` after its beginning.
Task<std::string> error_of_get(Peer& peer, Duration within = 1s) {
  std::string message;
  co_await with_peer(peer, [&]() -> Task<> {
    http::SessionOptions options;
    options.timeouts.read = 5s;
    http::Session session(peer.url(), options);
    const Instant start = loop_time();
    message = co_await message_of(session.get("/page?q=1").text());
    EXPECT_LE(loop_time() - start, within) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_TRUE(message.starts_with(fmt::format("GET {}/page?q=1: ", peer.url()))) << message;
    EXPECT_EQ(session.connections(), 0u);
  });
  co_return message;
}

TEST(ClientErrors, BadAnswers) {
  sim::run_seeds(20, []() -> Task<> {
    Peer cut = saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.");
    std::string message = co_await error_of_get(cut);
    EXPECT_TRUE(has(message, "10 of 100 bytes")) << message;
    EXPECT_TRUE(has(message, "(body phase, after 0.0")) << message;

    Peer digits = saying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "12345678901234567890\r\nx",
        false);
    message = co_await error_of_get(digits);
    EXPECT_TRUE(has(message, "malformed response body")) << message;

    Peer large = saying("HTTP/1.1 200 OK\r\nX: " + std::string(1 << 20, 'x') + "\r\n\r\n", false);
    message = co_await error_of_get(large);
    EXPECT_TRUE(has(message, "malformed response: ")) << message;
    EXPECT_TRUE(has(message, "(head phase")) << message;

    Peer half = saying("HTTP/1.1 200 OK\r\nContent-");
    message = co_await error_of_get(half);
    EXPECT_TRUE(has(message, "cut short after 25 bytes")) << message;

    Peer other = saying("SSH-2.0-OpenSSH_9.2\r\n", false);
    message = co_await error_of_get(other);
    EXPECT_TRUE(has(message, "malformed response")) << message;

    Peer upgrade = saying("HTTP/1.1 101 Switching Protocols\r\n\r\n", false);
    message = co_await error_of_get(upgrade);
    EXPECT_TRUE(has(message, "nobody asked for")) << message;
  });
}

TEST(ClientErrors, SilentServersEndAtTheirTimeout) {
  sim::run_seeds(20, []() -> Task<> {
    Peer silent = saying("", false);
    std::string message = co_await error_of_get(silent, 5010ms);
    EXPECT_TRUE(has(message, "timed out: no answer within the read timeout of 5 s")) << message;
    EXPECT_TRUE(has(message, "(head phase, after 5 s, the request was sent)")) << message;

    Peer stalls = saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.", false);
    message = co_await error_of_get(stalls, 5100ms);
    EXPECT_TRUE(has(message, "nothing more of the body, 10 bytes of it had come")) << message;
  });
}

TEST(ClientErrors, TheTotalTimeoutCoversTheBody) {
  sim::run_seeds(20, []() -> Task<> {
    Peer drips([](Peer&, Stream& stream) -> Task<> {
      co_await read_request(stream);
      co_await stream.write("HTTP/1.1 200 OK\r\n\r\n");
      for (;;) {
        co_await stream.write("x");
        co_await sleep(1s);
      }
    });
    co_await with_peer(drips, [&]() -> Task<> {
      http::Session session(drips.url());
      const Instant start = loop_time();
      const std::string message = co_await message_of(session.get("/").timeout(10s).text());
      EXPECT_TRUE(has(message, "within the total timeout of 10 s")) << message;
      EXPECT_LE(loop_time() - start, 10010ms);
    });
  });
}

TEST(ClientErrors, BeforeAnythingIsSent) {
  sim::run_seeds(10, []() -> Task<> {
    http::Session session;
    std::string message = co_await message_of(session.get("http://127.0.0.1:9/").text());
    EXPECT_TRUE(has(message, "GET http://127.0.0.1:9/: ")) << message;
    EXPECT_TRUE(has(message, "(connect phase")) << message;
    EXPECT_TRUE(has(message, "nothing was sent)")) << message;
    message = co_await message_of(session.get("http://no.such.host/").text());
    EXPECT_TRUE(has(message, "no.such.host")) << message;
    EXPECT_TRUE(has(message, "(resolve phase")) << message;
    message = co_await message_of(session.get("htp:/broken url").text());
    EXPECT_TRUE(has(message, "(prepare phase")) << message;
    message = co_await message_of(session.get("wss://127.0.0.1/").text());
    EXPECT_TRUE(has(message, "no WebSocket")) << message;
    EXPECT_THROW(session.get("/").header("X", "a\r\nb"), http::HeaderError);
    EXPECT_THROW(session.get("/").header("Content-Length", "5"), http::HeaderError);
    EXPECT_THROW(static_cast<void>(session.request("GET /", "/")), http::HeaderError);
    EXPECT_EQ(session.connections(), 0u);
  });
}

TEST(ClientErrors, AFullPool) {
  sim::run_seeds(20, []() -> Task<> {
    Peer silent = saying("", false);
    co_await with_peer(silent, [&]() -> Task<> {
      http::SessionOptions options;
      options.limit = 1;
      options.timeouts.pool = 3s;
      http::Session session(silent.url(), options);
      std::string second;
      co_await timeout(60s, race(session.get("/1"), [](auto& session, auto& second) -> Task<> {
                         co_await sleep(1s);
                         second = co_await message_of(session.get("/2").text());
                       }(session, second)));
      EXPECT_TRUE(has(second, "none of the session's 1 connections became free")) << second;
      EXPECT_TRUE(has(second, "pool timeout of 3 s (pool phase, after 3 s")) << second;
      EXPECT_EQ(session.connections(), 0u);
    });
  });
}

TEST(ClientErrors, BodiesAreBounded) {
  sim::run_seeds(10, []() -> Task<> {
    const std::string bomb = http::gzip(std::string(4 << 20, '0'));
    Peer peer(answering([&](const std::string& request) {
      return has(request, "/bomb")  ? answer(bomb, "Content-Encoding: gzip\r\n")
             : has(request, "/odd") ? answer("x", "Content-Encoding: br\r\n")
             : has(request, "/gz") ? answer(http::gzip("hello hello"), "Content-Encoding: gzip\r\n")
                                   : answer("{not json");
    }));
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url(), {.max_body = 1 << 20});
      const std::string hello = co_await session.get("/gz").text();
      EXPECT_EQ(hello, "hello hello");
      std::string message = co_await message_of(session.get("/bomb").text());
      EXPECT_TRUE(has(message, "more than 1048576 bytes")) << message;
      message = co_await message_of(session.get("/odd").text());
      EXPECT_TRUE(has(message, "br")) << message;
      message = co_await message_of(session.get("/j").json());
      EXPECT_TRUE(has(message, "is not JSON")) << message;
    });
  });
}

}  // namespace
}  // namespace clearway::client_tests
