// Requests and answers: the common ways, and what the pool makes of the connections.

#include "client_peer.hpp"

#include <clearway/json.hpp>

namespace clearway::client_tests {
namespace {

TEST(ClientSession, SendsWhatTheBuilderSays) {
  sim::run_seeds(20, []() -> Task<> {
    Peer peer(answering([](const std::string&) { return answer("{\"id\": 7}"); }));
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url());
      auto created = co_await session.post("/a/b?x=1")
                         .query("name", "two words&more")
                         .header("X-Mark", "yes")
                         .basic_auth("user", "secret")
                         .form("From", "+1 2")
                         .form("To", "é")
                         .json();
      EXPECT_EQ(created["id"], 7);
      nlohmann::json value;
      value["k"] = 1;
      co_await session.put("/json").json(value).text();
      co_await session.delete_("/gone").bytes();
    });
    EXPECT_EQ(peer.connections, 1);
    EXPECT_EQ(peer.requests.size(), 3u);
    const std::string& first = peer.requests[0];
    EXPECT_TRUE(first.starts_with("POST /a/b?x=1&name=two+words%26more HTTP/1.1\r\n")) << first;
    EXPECT_TRUE(has(first, fmt::format("Host: 127.0.0.1:{}\r\n", peer.port))) << first;
    EXPECT_TRUE(has(first, "X-Mark: yes\r\n"));
    EXPECT_TRUE(has(first, "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
    EXPECT_TRUE(has(first, "Content-Type: application/x-www-form-urlencoded\r\n"));
    EXPECT_TRUE(first.ends_with("\r\n\r\nFrom=%2B1+2&To=%C3%A9")) << first;
    EXPECT_TRUE(has(peer.requests[1], "Content-Type: application/json\r\n"));
    EXPECT_TRUE(peer.requests[1].ends_with("\r\n\r\n{\"k\":1}"));
    EXPECT_FALSE(has(peer.requests[2], "Content-Length"));
  });
}

TEST(ClientSession, ReadsEveryKindOfBody) {
  sim::run_seeds(50, []() -> Task<> {
    Peer peer(answering([](const std::string& request) -> std::string {
      if (has(request, "/chunked")) {
        return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nChecked: yes\r\n\r\n";
      }
      if (has(request, "/interim")) {
        return "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + answer("after");
      }
      if (has(request, "/none")) return "HTTP/1.1 204 No Content\r\n\r\n";
      if (has(request, "/same")) return "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n";
      if (request.starts_with("HEAD")) return "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n";
      return answer("plain");
    }));
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url());
      auto chunked = co_await session.get("/chunked");
      std::string all;
      while (auto piece = co_await chunked.read()) all += *piece;
      EXPECT_EQ(all, "abcde");
      EXPECT_EQ(chunked.trailers().get("Checked"), "yes");
      auto interim = co_await session.get("/interim").text();
      EXPECT_EQ(interim, "after");
      auto none = co_await session.get("/none").text();
      EXPECT_EQ(none, "");
      auto same = co_await session.get("/same");
      EXPECT_EQ(same.status(), 304);
      auto head = co_await session.head("/");
      EXPECT_EQ(head.content_length(), 500u);
      auto nothing = co_await head.text();
      EXPECT_EQ(nothing, "");
      auto plain = co_await session.get("/").text();
      EXPECT_EQ(plain, "plain");
      EXPECT_EQ(session.connections(), 1u);
      EXPECT_EQ(session.idle_connections(), 1u);
    });
    EXPECT_EQ(peer.connections, 1);
  });
}

TEST(ClientSession, ABodyMayEndWithTheConnection) {
  sim::run_seeds(20, []() -> Task<> {
    Peer peer([](Peer& peer, Stream& stream) -> Task<> {
      peer.requests.push_back(co_await read_request(stream));
      co_await stream.write("HTTP/1.1 200 OK\r\n\r\nto the end");
    });
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url());
      auto text = co_await session.get("/").text();
      EXPECT_EQ(text, "to the end");
      EXPECT_EQ(session.connections(), 0u);
    });
  });
}

TEST(ClientSession, OneLineFormsCheckTheStatus) {
  sim::run_seeds(10, []() -> Task<> {
    Peer peer(
        answering([](const std::string&) { return answer("no such page", "", "404 Not Found"); }));
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url());
      auto response = co_await session.get("/x");
      EXPECT_EQ(response.status(), 404);
      auto text = co_await response.text();
      EXPECT_EQ(text, "no such page");
      const std::string message = co_await message_of(session.get("/x").json());
      EXPECT_EQ(message, fmt::format("{}/x answered with status 404: no such page", peer.url()));
      EXPECT_EQ(session.idle_connections(), 1u);
    });
  });
}

TEST(ClientSession, ManyAtOnceNeverMoreThanTheLimit) {
  sim::run_seeds(200, []() -> Task<> {
    int running = 0;
    int most = 0;
    Peer peer([&](Peer&, Stream& stream) -> Task<> {
      for (;;) {
        const std::string request = co_await read_request(stream);
        if (request.empty()) co_return;
        most = std::max(most, ++running);
        co_await sleep(10ms);
        --running;
        const std::size_t at = request.find("/n/") + 3;
        co_await stream.write(answer(request.substr(at, request.find(' ', at) - at)));
      }
    });
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url(), {.limit = 4});
      std::vector<int> numbers;
      for (int number = 0; number < 20; ++number) numbers.push_back(number);
      auto texts = co_await gather(
          numbers, [&](int number) { return session.get(fmt::format("/n/{}", number)).text(); });
      for (int number = 0; number < 20; ++number) EXPECT_EQ(texts[number], std::to_string(number));
      EXPECT_LE(session.connections(), 4u);
    });
    EXPECT_LE(most, 4);
  });
}

TEST(ClientSession, AConnectionThatWasClosedMeanwhileIsNotUsed) {
  sim::run_seeds(100, []() -> Task<> {
    Peer peer([](Peer& peer, Stream& stream) -> Task<> {
      peer.requests.push_back(co_await read_request(stream));
      co_await stream.write(answer("one"));
    });
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url());
      for (int round = 0; round < 3; ++round) {
        auto text = co_await session.post("/").text();
        EXPECT_EQ(text, "one");
        co_await sleep(50ms);
        EXPECT_EQ(session.connections(), 0u);  // noticed while nobody used it
      }
    });
    EXPECT_EQ(peer.connections, 3);
  });
}

TEST(ClientSession, RepeatsOnceWhenAKeptConnectionTurnsOutToBeClosed) {
  sim::run_seeds(200, []() -> Task<> {
    // The second request on a connection meets its end.
    Peer peer([](Peer& peer, Stream& stream) -> Task<> {
      peer.requests.push_back(co_await read_request(stream));
      co_await stream.write(answer("one"));
      peer.requests.push_back(co_await read_request(stream));
    });
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url());
      auto first = co_await session.get("/1").text();
      auto second = co_await session.get("/2").text();
      EXPECT_EQ(first + second, "oneone");
      const std::string message = co_await message_of(session.post("/3").text());
      EXPECT_TRUE(has(message, "closed the connection and did not answer")) << message;
      EXPECT_TRUE(has(message, "(head phase, after ")) << message;
      EXPECT_TRUE(has(message, "the request was sent)")) << message;
    });
  });
}

TEST(ClientSession, IdleConnectionsEnd) {
  sim::run_seeds(10, []() -> Task<> {
    Peer peer(answering([](const std::string&) { return answer("x"); }));
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url(), {.idle = 2s});
      co_await gather(std::views::iota(0, 3), [&](int) { return session.get("/").text(); });
      co_await sleep(1900ms);
      EXPECT_EQ(session.idle_connections(), 3u);
      co_await session.get("/").text();
      co_await sleep(1900ms);
      EXPECT_EQ(session.idle_connections(), 1u);
      co_await sleep(200ms);
      EXPECT_EQ(session.connections(), 0u);
    });
  });
}

TEST(ClientSession, StreamsBodiesBothWays) {
  sim::run_seeds(20, []() -> Task<> {
    Peer peer([](Peer& peer, Stream& stream) -> Task<> {
      std::string request = co_await stream.read_until("0\r\n\r\n");
      peer.requests.push_back(request);
      co_await stream.write(answer(std::string(300'000, 'z')));
      request = co_await read_request(stream);
      peer.requests.push_back(request);
      co_await stream.write(answer(fmt::format("{}", request.size())));
    });
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url());
      int left = 3;
      auto source = [&]() -> Task<std::optional<std::string>> {
        co_await sleep(1ms);
        if (left-- == 0) co_return std::nullopt;
        co_return std::string("piece");
      };
      auto response = co_await session.post("/up").body_stream(source);
      std::size_t total = 0;
      while (auto piece = co_await response.read()) total += piece->size();
      EXPECT_EQ(total, 300'000u);
      const std::string large(1'000'000, 'y');
      auto size = co_await session.post("/big").body(large, "text/plain").text();
      EXPECT_GT(std::stoul(size), 1'000'000u);
    });
    const std::string chunk = "5\r\npiece\r\n";
    EXPECT_TRUE(has(peer.requests[0], "\r\n\r\n" + chunk + chunk + chunk + "0\r\n\r\n"));
    EXPECT_EQ(peer.connections, 1);
  });
}

TEST(ClientSession, AnAbandonedAnswerClosesItsConnection) {
  sim::run_seeds(50, []() -> Task<> {
    Peer peer(answering([](const std::string&) { return answer(std::string(500'000, 'z')); }));
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url(), {.limit = 1});
      {
        auto response = co_await session.get("/");
        EXPECT_EQ(response.status(), 200);
      }
      EXPECT_EQ(session.connections(), 0u);
      auto text = co_await session.get("/").text();
      EXPECT_EQ(text.size(), 500'000u);
      EXPECT_EQ(session.idle_connections(), 1u);
    });
  });
}

}  // namespace
}  // namespace clearway::client_tests
