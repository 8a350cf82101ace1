// The server over real sockets: what the simulated world cannot show, such as system calls.

#include "server_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <clearway/loop/epoll_driver.hpp>

namespace clearway::http {
namespace {

using ::testing::HasSubstr;

Task<> talk(Stream& stream, int requests) {
  for (int count = 0; count < requests; ++count) {
    co_await stream.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string head = co_await stream.read_until("\r\n\r\n");
    EXPECT_THAT(head, HasSubstr("200 OK"));
    const std::string body = co_await stream.read_exactly(5);
    EXPECT_EQ(body, "hello");
  }
}

TEST(ServerLoopback, CostsOneReceiveAndOneSendPerRequest) {
  App app;
  app.get("/", [](Request&) -> Task<Response> { co_return "hello"; });
  const auto client = [](Server& server) -> Task<> {
    Stream stream = co_await connect(server.address());
    co_await talk(stream, 3);
    auto& driver = dynamic_cast<EpollDriver&>(Loop::current().driver());
    const EpollDriver::Calls before = driver.calls();
    co_await talk(stream, 100);
    // The client's calls are counted too: it makes as many.
    EXPECT_LE(driver.calls().receive - before.receive, 202U);
    EXPECT_LE(driver.calls().send - before.send, 202U);
    EXPECT_EQ(driver.calls().control, before.control);
  };
  run(with_server(app, {}, client));
}

TEST(ServerLoopback, SendsLargeAnswersToSlowReaders) {
  App app;
  const std::string large(4 * 1024 * 1024, 'x');
  app.get("/", [&](Request&) -> Task<Response> { co_return large; });
  const auto client = [&](Server& server) -> Task<> {
    const std::string answer = co_await exchange(server.address(), closing_get("/"));
    EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), large);
  };
  run(with_server(app, {}, client));
}

TEST(ServerLoopback, RefusesEndpointsWithTheColumn) {
  const auto error_of = [](const char* endpoint) {
    std::string text;
    const auto attempt = [&]() -> Task<> {
      try {
        listen_at(endpoint);
      } catch (const UsageError& error) {
        text = error.what();
      }
      co_return;
    };
    run(attempt());
    return text;
  };
  EXPECT_THAT(error_of("ssl:443"), HasSubstr("column 1: \"ssl\" is not a kind of endpoint"));
  EXPECT_THAT(error_of("tcp:http"), HasSubstr("column 5: \"http\" is not a port"));
  EXPECT_THAT(error_of("tcp"), HasSubstr("column 4: the port is missing"));
  EXPECT_THAT(error_of("tcp:80:backlog=3"), HasSubstr("column 8: tcp endpoints have no"));
  EXPECT_THAT(error_of("tcp:80:interface=nowhere"), HasSubstr("column 8: interface"));
  EXPECT_EQ(error_of("tcp:0:interface=127.0.0.1"), "");
}

}  // namespace
}  // namespace clearway::http
