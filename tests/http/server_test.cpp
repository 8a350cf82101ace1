#include "server_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <clearway/base/log.hpp>
#include <tests/support/worlds.hpp>

namespace clearway::http {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::uint64_t seeds = 100;

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    app.get("/", [](Request&) -> Task<Response> { co_return "hello"; });
    app.get("/now", [](Request&) { return "at once"; });
    app.get("/users/{id:int}",
            [](Request&, int id) -> Task<Response> { co_return "user " + std::to_string(id); });
    app.get("/slow", [this](Request&) -> Task<Response> {
      ++started;
      co_await sleep(5s);
      ++finished;
      co_return "done";
    });
    app.get("/wait", [this](Request&) -> Task<Response> {
      waits = true;
      co_await go_on.wait();
      co_return "waited";
    });
    app.post("/echo",
             [](Request& request) -> Task<Response> { co_return co_await request.body(); });
    app.get("/broken", [](Request&) -> Task<Response> {
      throw std::runtime_error("secret");
      co_return "";
    });
    // As a Session throws that the handler asks something.
    app.get("/upstream_malformed", [](Request&) -> Task<Response> {
      throw ProtocolError("secret");
      co_return "";
    });
    app.get("/upstream_cut", [](Request&) -> Task<Response> {
      throw Truncated("secret");
      co_return "";
    });
    app.get("/stream", [](Request&) -> Task<Response> {
      co_return Response::stream([](BodyWriter& out) -> Task<> {
        co_await out.write("one");
        co_await sleep(1s);
        co_await out.write("three");
      });
    });
  }

  void run(const std::function<Task<>(Server&)>& client, ServerOptions options = {}) {
    sim::run_seeds(seeds, [&] {
      started = finished = 0;
      return with_server(app, options, client);
    });
  }
  // What one connection that sends `request` gets, at every seed.
  void expect(const std::string& request, const ::testing::Matcher<std::string>& matcher,
              ServerOptions options = {}) {
    run(
        [&](Server& server) -> Task<> {
          const std::string answer = co_await exchange(server.address(), request);
          EXPECT_THAT(without_date(answer), matcher) << request.substr(0, 200);
        },
        options);
  }

  App app;
  int started = 0;
  int finished = 0;
  bool waits = false;
  Event go_on;
};

TEST_F(ServerTest, AnswersText) {
  expect(closing_get("/"), std::string("HTTP/1.1 200 OK\r\nContent-Type: text/plain; "
                                       "charset=utf-8\r\nContent-Length: 5\r\n"
                                       "Connection: close\r\n\r\nhello"));
  expect(closing_get("/now"), HasSubstr("at once"));
  expect(closing_get("/users/-7"), HasSubstr("user -7"));
  expect(closing_get("/users/99999999999"), StartsWith("HTTP/1.1 404"));
}

TEST_F(ServerTest, AnswersInOrderWhenPipelined) {
  expect("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /users/1 HTTP/1.1\r\nHost: a\r\n\r\n" +
             closing_get("/users/2"),
         ::testing::ContainsRegex("done(.|\n|\r)*user 1(.|\n|\r)*user 2"));
}

TEST_F(ServerTest, RefusesMethodsAndPaths) {
  expect("DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
         HasSubstr("405 Method Not Allowed"));
  expect("DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
         HasSubstr("Allow: GET, HEAD, OPTIONS\r\n"));
  expect("OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", HasSubstr("204 No Content"));
  expect(closing_get("/none"), HasSubstr("404 Not Found"));
}

TEST_F(ServerTest, AnswersHeadWithoutBody) {
  expect("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
         ::testing::AllOf(HasSubstr("Content-Length: 5"), Not(HasSubstr("hello"))));
  expect("HEAD /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
         ::testing::AllOf(HasSubstr("chunked"), Not(HasSubstr("three"))));
}

TEST_F(ServerTest, ReadsBodies) {
  expect("POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
         ::testing::EndsWith("\r\n\r\nabc"));
  expect(
      "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
      ::testing::EndsWith("\r\n\r\nabc"));
  expect("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n",
         StartsWith("HTTP/1.1 400"));
  expect(
      "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n"
      "Content-Length: 3\r\n\r\nabc",
      ::testing::EndsWith("\r\n\r\nabc"));
}

TEST_F(ServerTest, LimitsBodies) {
  ServerOptions options;
  options.body_limit = 10;
  expect("POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n" +
             std::string(100000, 'x'),
         StartsWith("HTTP/1.1 413"), options);
}

TEST_F(ServerTest, AsksForTheBody) {
  run([](Server& server) -> Task<> {
    Stream stream = co_await connect(server.address());
    co_await stream.write(
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n"
        "Content-Length: 3\r\n\r\n");
    const std::string interim = co_await stream.read_until("\r\n\r\n");
    EXPECT_EQ(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    co_await stream.write("abc");
    const std::string answer = co_await stream.read_all();
    EXPECT_THAT(answer, ::testing::EndsWith("\r\n\r\nabc"));
  });
}

TEST_F(ServerTest, Streams) {
  expect(closing_get("/stream"), HasSubstr("\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n"));
  expect("GET /stream HTTP/1.0\r\n\r\n",
         ::testing::AllOf(::testing::EndsWith("\r\n\r\nonethree"), HasSubstr("Connection: close")));
}

TEST_F(ServerTest, HidesErrors) {
  const auto sink =
      clearway::log::set_sink([](clearway::log::Level, std::string_view, std::string_view) {});
  for (const char* path : {"/broken", "/upstream_malformed", "/upstream_cut"}) {
    expect(closing_get(path),
           ::testing::AllOf(StartsWith("HTTP/1.1 500"), Not(HasSubstr("secret"))));
  }
  clearway::log::set_sink(sink);
}

TEST_F(ServerTest, RefusesMalformedInput) {
  expect("GET / HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n", StartsWith("HTTP/1.1 400"));
  expect("GET / HTTP/1.1\r\n\r\n", StartsWith("HTTP/1.1 400"));
  expect("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(1 << 20, 'x'),
         StartsWith("HTTP/1.1 431"));
}

TEST_F(ServerTest, EndsSlowClients) {
  run([](Server& server) -> Task<> {
    const Instant began = loop_time();
    const std::string answer = co_await exchange(server.address(), "GET / HT");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 408"));
    EXPECT_LT(loop_time() - began, 13s);
    const Instant again = loop_time();
    const std::string nothing = co_await exchange(server.address(), "");
    EXPECT_EQ(nothing, "");
    EXPECT_LT(loop_time() - again, 11s);
  });
}

TEST_F(ServerTest, ClosesIdleConnections) {
  run([](Server& server) -> Task<> {
    const Instant began = loop_time();
    const std::string answer =
        co_await exchange(server.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_THAT(answer, ::testing::EndsWith("hello"));
    EXPECT_GE(loop_time() - began, 75s);
    EXPECT_LT(loop_time() - began, 76s);
  });
}

TEST_F(ServerTest, DrainsAndThenCancels) {
  for (const Duration patience : {Duration(10s), Duration(1s)}) {
    ServerOptions options;
    options.drain_timeout = patience;
    run(
        [&](Server& server) -> Task<> {
          Stream idle = co_await connect(server.address());
          Stream busy = co_await connect(server.address());
          co_await busy.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
          co_await sleep(1s);
          server.stop();
          const std::string nothing = co_await idle.read_all();
          EXPECT_EQ(nothing, "");
          auto answer = co_await as_result(busy.read_all());
          EXPECT_EQ(finished, patience > 5s ? 1 : 0);
          if (patience > 5s) {
            EXPECT_THAT(*answer, HasSubstr("Connection: close"));
          }
        },
        options);
  }
}

// Who comes while it drains goes to another server at once; whose request had come is answered.
TEST_F(ServerTest, ListensNoMoreWhileItDrains) {
  tests::on_both_drivers([&]() -> Task<> {
    const auto client = [&](Server& server) -> Task<> {
      Stream busy = co_await connect(server.address());
      co_await busy.write("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
      while (!waits) co_await sleep(1ms);
      Stream last = co_await connect(server.address());
      co_await last.write(closing_get("/"));
      server.stop();
      auto answer = co_await as_result(last.read_all());
      if (!tests::simulated()) {  // where the request is on its way
        EXPECT_THAT(*answer, StartsWith("HTTP/1.1 200"));
      }
      co_await sleep(10ms);
      auto late = co_await as_result(connect(server.address()));
      EXPECT_FALSE(late.has_value());
      EXPECT_EQ(server.connections(), 1U) << "it still drains";
      go_on.set();
      const std::string rest = co_await busy.read_all();
      EXPECT_THAT(rest, HasSubstr("waited"));
    };
    waits = false;
    go_on.clear();
    co_await with_server(app, ServerOptions(), client);
  });
}

// What a client has sent before the server was stopped is answered, be it whole or not.
TEST_F(ServerTest, AnswersTheRequestsThatAreUnderWayWhenItIsStopped) {
  tests::on_both_drivers([&]() -> Task<> {
    const auto client = [&](Server& server) -> Task<> {
      Stream kept = co_await connect(server.address());
      Stream slow = co_await connect(server.address());
      co_await kept.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      const std::string first = co_await kept.read_until("hello");
      co_await slow.write("GET / HTTP/1.1\r\nHo");
      co_await sleep(tests::simulated() ? 1s : 5ms);
      co_await kept.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      server.stop();
      auto answer = co_await as_result(kept.read_all());
      if (!tests::simulated()) {  // where the request is on its way
        EXPECT_THAT(*answer, StartsWith("HTTP/1.1 200"));
      }
      co_await sleep(10ms);
      co_await slow.write("st: a\r\n\r\n");
      auto last = co_await as_result(slow.read_all());
      EXPECT_THAT(*last, StartsWith("HTTP/1.1 200"));
      EXPECT_THAT(*last, HasSubstr("Connection: close"));
    };
    co_await with_server(app, ServerOptions(), client);
  });
}

TEST_F(ServerTest, AServerThatWasStoppedBeforeItRanListensNoMore) {
  sim::run(SimulationOptions(), [&]() -> Task<> {
    Server server(app, listen("127.0.0.1", 0));
    server.stop();
    co_await server.run();
    auto late = co_await as_result(connect(server.address()));
    EXPECT_FALSE(late.has_value());
  });
}

TEST_F(ServerTest, SurvivesCancellationAnywhere) {
  const auto test = [&](sim::Stage& stage) -> Task<> {
    const Address address = Address::loopback(80);
    co_await task_group([&](TaskGroup& group) -> Task<> {
      group.start([&]() -> Task<> {
        const auto answer = co_await as_result(exchange(address, closing_get("/stream")));
        static_cast<void>(answer);
      });
      ServerOptions options;
      options.drain_timeout = 100ms;
      Server server(app, listen(address), options);
      const auto outcome = co_await stage.run(move_on_after(20s, server.run()));
      static_cast<void>(outcome);
      group.cancel();
    });
  };
  EXPECT_GT(sim::exhaust_cancellation(test, 5), 10U);
}

}  // namespace
}  // namespace clearway::http
