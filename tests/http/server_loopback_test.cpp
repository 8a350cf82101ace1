// The server over real sockets: what the simulated world cannot show, such as system calls.

#include "server_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>
#include <clearway/base/log.hpp>
#include <clearway/loop/epoll_driver.hpp>
#include <tests/support/worlds.hpp>

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
  run(with_server(app, {}, client), std::make_unique<EpollDriver>());
}

// What is sent goes to the kernel with the call that waits, and what comes is there after it.
TEST(ServerLoopback, CostsNoCallOfItsOwnOnIoUring) {
  auto uring = tests::make_uring();
  if (uring == nullptr) GTEST_SKIP() << "no io_uring here";
  App app;
  app.get("/", [](Request&) -> Task<Response> { co_return "hello"; });
  const auto client = [](Server& server) -> Task<> {
    Stream stream = co_await connect(server.address());
    co_await talk(stream, 3);
    auto& driver = dynamic_cast<UringDriver&>(Loop::current().driver());
    const UringDriver::Calls before = driver.calls();
    co_await talk(stream, 100);
    EXPECT_EQ(driver.calls().receive, before.receive);
    // There, the answer, and back, for both sides: one request after the other is its worst case.
    EXPECT_LE(driver.calls().enter - before.enter, 404U);
  };
  run(with_server(app, {}, client), std::move(uring));
}

TEST(ServerLoopback, SendsLargeAnswersToSlowReaders) {
  App app;
  const std::string large(4 * 1024 * 1024, 'x');
  app.get("/", [&](Request&) -> Task<Response> { co_return large; });
  const auto client = [&](Server& server) -> Task<> {
    const std::string answer = co_await exchange(server.address(), closing_get("/"));
    EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), large);
  };
  tests::on_real_drivers([&] { return with_server(app, {}, client); });
}

// Lets this process have one more descriptor than it has.
class OneMoreDescriptor {
 public:
  OneMoreDescriptor() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(STDIN_FILENO);
    ::close(next);
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(next) + 1;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  OneMoreDescriptor(const OneMoreDescriptor&) = delete;
  OneMoreDescriptor& operator=(const OneMoreDescriptor&) = delete;
  ~OneMoreDescriptor() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(ServerLoopback, WithoutDescriptorsConnectionsWait) {
  App app;
  app.get("/", [](Request&) -> Task<Response> { co_return "hello"; });
  const auto sink = log::set_sink([](log::Level, std::string_view, std::string_view) {});
  const auto client = [](Server& server) -> Task<> {
    using namespace std::chrono_literals;
    auto& driver = dynamic_cast<EpollDriver&>(Loop::current().driver());
    Stream first = co_await connect(server.address());
    co_await talk(first, 1);
    const OneMoreDescriptor limited;
    Stream second = co_await connect(server.address());
    const std::uint64_t before = driver.calls().accept;
    co_await second.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto early = co_await move_on_after(30ms, second.read_until("\r\n\r\n"));
    EXPECT_FALSE(early.has_value());
    EXPECT_LE(driver.calls().accept - before, 2U) << "accept is tried again and again";
    first.close();
    const std::string head = co_await timeout(5s, second.read_until("\r\n\r\n"));
    EXPECT_THAT(head, HasSubstr("200 OK"));
  };
  // Not on io_uring: there the limit that counts is the one from when accepting began.
  run(with_server(app, {}, client), std::make_unique<EpollDriver>());
  log::set_sink(sink);
}

TEST(ServerLoopback, ServesAtAUnixSocket) {
  const std::string path = ::testing::TempDir() + "clearway_server_test.sock";
  App app;
  app.get("/", [](Request&) -> Task<Response> { co_return "hello"; });
  std::string answer;
  const auto client = [&]() -> Task<> {
    Stream stream = co_await connect_unix(path);
    co_await stream.write(closing_get("/"));
    answer = co_await stream.read_all();
  };
  const auto both = [&]() -> Task<> { co_await race(serve(app, "unix:" + path), client()); };
  tests::on_real_drivers(both);
  EXPECT_THAT(answer, ::testing::EndsWith("\r\n\r\nhello"));
  EXPECT_NE(::access(path.c_str(), F_OK), 0) << "the socket's file is left over";
}

TEST(ServerLoopback, RefusesEndpointsWithTheColumn) {
  App app;
  const auto attempt = [&]() -> Task<> {
    EXPECT_THAT(tests::error_of([&] { Server server(app, "quic:443"); }),
                HasSubstr("column 1: \"quic\" is not a kind of server endpoint"));
    co_return;
  };
  run(attempt());
}

// The handler, and what it is told, behind a balancer; with the request's first bytes in the same
// piece and without.
TEST(ServerLoopback, ABalancerSaysWhoTheClientIs) {
  App app;
  app.get("/", [](Request& request) -> Task<Response> { co_return request.peer().to_string(); });
  const auto ask = [&](std::vector<std::string> pieces) -> Task<> {
    Server server(app, "haproxy:proxies=127.0.0.1:tcp:0:interface=127.0.0.1");
    const auto client = [&]() -> Task<> {
      Stream stream = co_await connect("127.0.0.1", server.address().port());
      for (const std::string& piece : pieces) {
        co_await stream.write(piece);
        co_await sleep(std::chrono::milliseconds(1));
      }
      const std::string answer = co_await stream.read_all();
      EXPECT_THAT(answer, ::testing::EndsWith("\r\n\r\n1.2.3.4:1111")) << pieces.size();
    };
    co_await race(server.run(), client());
  };
  const std::string greeting = "PROXY TCP4 1.2.3.4 127.0.0.1 1111 80\r\n";
  for (const std::vector<std::string>& pieces : std::vector<std::vector<std::string>>{
           {greeting + closing_get("/")},
           {greeting, closing_get("/")},
           {"PRO", "XY TCP4 1.2.3.4 127.0.0.1", " 1111 80\r", "\n" + closing_get("/")}}) {
    tests::on_both_drivers([&] { return ask(pieces); }, 3);
  }
}

TEST(ServerLoopback, WithoutItsHeaderAConnectionBehindABalancerIsClosed) {
  App app;
  const auto ask = [&]() -> Task<> {
    Server server(app, "haproxy:tcp:0:interface=127.0.0.1");
    const auto client = [&]() -> Task<> {
      Stream stream = co_await connect("127.0.0.1", server.address().port());
      co_await stream.write(closing_get("/"));
      auto answer = co_await as_result(stream.read_all());
      EXPECT_TRUE(!answer || answer->empty());
    };
    co_await race(server.run(), client());
  };
  tests::on_both_drivers(ask, 3);
}

}  // namespace
}  // namespace clearway::http
