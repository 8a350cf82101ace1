// Cancelled at every suspension: nothing leaks, and the session goes on working.

#include "client_peer.hpp"

namespace clearway::client_tests {
namespace {

// After `disturbed` has been cancelled somewhere, its session still has all of its connections.
void exhaust(const Peer::Handler& handler,
             const std::function<Task<>(Stage&, http::Session&)>& disturbed) {
  const std::size_t runs = exhaust_cancellation([&](Stage& stage) -> Task<> {
    Peer peer(handler);
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url(), {.limit = 2});
      co_await disturbed(stage, session);
      // Both connections can be had at once: none was lost.
      auto one = co_await session.get("/");
      auto two = co_await session.get("/");
      EXPECT_LE(session.connections(), 2u);
      auto text = co_await one.text();
      text += co_await two.text();
      EXPECT_EQ(text.size(), 2 * 30'000u);
    });
  });
  EXPECT_GT(runs, 10u);
}

std::string large_answer(const std::string&) { return answer(std::string(30'000, 'z')); }

TEST(ClientCancel, Get) {
  exhaust(answering(large_answer), [](Stage& stage, http::Session& session) -> Task<> {
    auto text = co_await stage.run(session.get("/").text());
    EXPECT_EQ(text ? text->size() : 30'000u, 30'000u);
  });
}

TEST(ClientCancel, PostWithRedirect) {
  const auto respond = [](const std::string& request) {
    if (!request.starts_with("POST /from")) return large_answer(request);
    return answer("gone", "Location: /to\r\n", "307 Temporary Redirect");
  };
  exhaust(answering(respond), [](Stage& stage, http::Session& session) -> Task<> {
    std::string body(100'000, 'b');
    auto text = co_await stage.run(session.post("/from").body(std::move(body)).text());
    EXPECT_EQ(text ? text->size() : 30'000u, 30'000u);
  });
}

// A read that was cancelled has taken nothing: the next one goes on.
TEST(ClientCancel, StreamedRead) {
  exhaust(answering(large_answer), [](Stage& stage, http::Session& session) -> Task<> {
    auto response = co_await session.get("/");
    std::size_t total = 0;
    auto read_on = [&]() -> Task<> {
      while (auto piece = co_await response.read()) total += piece->size();
    };
    auto whole = co_await stage.run(read_on());
    if (!whole) co_await read_on();
    EXPECT_EQ(total, 30'000u);
  });
}

TEST(ClientCancel, WaitingForAConnection) {
  exhaust(answering(large_answer), [](Stage& stage, http::Session& session) -> Task<> {
    std::vector<int> many(5);
    auto fetch_all = [&]() -> Task<> {
      co_await gather(many, [&](int) { return session.get("/").text(); });
    };
    co_await stage.run(fetch_all());
  });
}

}  // namespace
}  // namespace clearway::client_tests
