// Redirects: methods, credentials, limits.

#include "client_peer.hpp"

#include <clearway/http/client_error.hpp>
#include <clearway/http/redirect.hpp>

namespace clearway::client_tests {
namespace {

std::string moved(std::string_view status, std::string_view to) {
  return answer("elsewhere", fmt::format("Location: {}\r\n", to), status);
}

TEST(ClientRedirect, Methods) {
  const http::Url from = http::Url::parse("http://a.example/x");
  const auto becomes_get = [&](int status, std::string_view method) {
    return http::detail::plan_redirect(status, method, from, "/y").becomes_get;
  };
  EXPECT_TRUE(becomes_get(301, "POST"));
  EXPECT_TRUE(becomes_get(302, "POST"));
  EXPECT_FALSE(becomes_get(301, "PUT"));
  EXPECT_TRUE(becomes_get(303, "PUT"));
  EXPECT_FALSE(becomes_get(303, "HEAD"));
  EXPECT_FALSE(becomes_get(307, "POST"));
  EXPECT_FALSE(becomes_get(308, "POST"));
}

TEST(ClientRedirect, OriginIsSchemeHostAndPort) {
  const http::Url from = http::Url::parse("http://a.example/x");
  const auto leaves = [&](std::string_view location) {
    return http::detail::plan_redirect(302, "GET", from, location).leaves_origin;
  };
  EXPECT_FALSE(leaves("/y"));
  EXPECT_FALSE(leaves("http://A.example:80/y"));
  EXPECT_TRUE(leaves("http://a.example:81/y"));
  EXPECT_TRUE(leaves("https://a.example/y"));
  EXPECT_TRUE(leaves("//b.example/y"));
  EXPECT_THROW(leaves("http://[broken/"), http::RedirectError);
  const http::Url secure = http::Url::parse("https://a.example/");
  EXPECT_THROW(http::detail::plan_redirect(302, "GET", secure, "http://a.example/"),
               http::RedirectError);
}

TEST(ClientRedirect, FollowsAndKeepsTheConnection) {
  sim::run_seeds(50, []() -> Task<> {
    Peer peer(answering([](const std::string& request) {
      if (has(request, " /1 ")) return moved("303 See Other", "/2?from=1");
      if (has(request, " /2?from=1 ")) return moved("307 Temporary Redirect", "3");
      return answer("there");
    }));
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url());
      auto response = co_await session.post("/1").basic_auth("u", "p").form("a", "b");
      EXPECT_EQ(response.url(), peer.url() + "/3");
      auto text = co_await response.text();
      EXPECT_EQ(text, "there");
      auto first = co_await session.get("/1").no_redirects();
      EXPECT_EQ(first.status(), 303);
    });
    EXPECT_EQ(peer.connections, 1);
    EXPECT_TRUE(peer.requests[1].starts_with("GET /2?from=1 ")) << peer.requests[1];
    EXPECT_FALSE(has(peer.requests[1], "Content-")) << peer.requests[1];
    EXPECT_TRUE(has(peer.requests[2], "Authorization: ")) << peer.requests[2];
  });
}

TEST(ClientRedirect, CredentialsStayAtHome) {
  sim::run_seeds(20, []() -> Task<> {
    Peer other(answering([](const std::string&) { return answer("other"); }));
    co_await with_peer(other, [&]() -> Task<> {
      Peer home(answering([&](const std::string&) {
        return moved("308 Permanent Redirect",
                     fmt::format("http://user:pw@127.0.0.1:{}/in", other.port));
      }));
      co_await with_peer(home, [&]() -> Task<> {
        http::Session session(home.url());
        session.headers().set("Cookie", "id=1");
        auto text = co_await session.post("/")
                        .header("Proxy-Authorization", "x")
                        .header("X-Other", "stays")
                        .basic_auth("u", "p")
                        .body("again", "text/plain")
                        .text();
        EXPECT_EQ(text, "other");
      });
      EXPECT_TRUE(has(home.requests[0], "Cookie: id=1"));
    });
    const std::string& seen = other.requests[0];
    EXPECT_FALSE(has(seen, "Authorization")) << seen;
    EXPECT_FALSE(has(seen, "Cookie")) << seen;
    EXPECT_TRUE(has(seen, "X-Other: stays")) << seen;
    EXPECT_TRUE(seen.starts_with("POST /in ")) << seen;
    EXPECT_TRUE(seen.ends_with("\r\n\r\nagain")) << seen;
  });
}

TEST(ClientRedirect, LoopsAndStreamsAreRefused) {
  sim::run_seeds(20, []() -> Task<> {
    Peer peer(answering([](const std::string& request) {
      return moved("307 Temporary Redirect", has(request, " /a ") ? "/b" : "/a");
    }));
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url());
      std::string message = co_await message_of(session.get("/a").text());
      EXPECT_TRUE(has(message, "a loop of redirects, given up after 10 redirects")) << message;
      int left = 1;
      auto source = [&]() -> Task<std::optional<std::string>> {
        if (left-- == 0) co_return std::nullopt;
        co_return std::string("piece");
      };
      message = co_await message_of(session.post("/a").body_stream(5, source).text());
      EXPECT_TRUE(has(message, "the streamed body cannot be sent again")) << message;
    });
    EXPECT_EQ(peer.requests.size(), 12u);
  });
}

}  // namespace
}  // namespace clearway::client_tests
