// Clients that do not behave as the usual ones do: they stop reading, end their side, break off, or
// are too many.

#include "server_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace clearway::http {
namespace {

using namespace std::chrono_literals;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr std::uint64_t seeds = 50;
constexpr std::size_t large = 1024 * 1024;  // more than the simulated world's buffers take

class ServerClientsTest : public ::testing::Test {
 protected:
  ServerClientsTest() {
    app.get("/", [](Request&) -> Task<Response> { co_return "hello"; });
    app.post("/echo",
             [](Request& request) -> Task<Response> { co_return co_await request.body(); });
    app.get("/large", [](Request&) -> Task<Response> { co_return std::string(large, 'x'); });
    app.get("/slow", [this](Request&) -> Task<Response> {
      ++started;
      co_await sleep(5s);
      ++finished;
      co_return "done";
    });
    app.get("/ticks", [this](Request&) -> Task<Response> {
      co_return Response::stream([this](BodyWriter& out) -> Task<> {
        for (int count = 0; count < 5; ++count) {
          co_await out.write("tick ");
          co_await sleep(4s);
        }
        ++finished;
      });
    });
    app.get("/endless", [this](Request&) -> Task<Response> {
      co_return Response::stream([this](BodyWriter& out) -> Task<> {
        ++started;
        const std::string piece(16 * 1024, 'x');
        try {
          for (;;) co_await out.write(piece);
        } catch (const Error& error) {
          why = error.what();
          throw;
        }
      });
    });
  }

  void run(const std::function<Task<>(Server&)>& client, ServerOptions options = {}) {
    sim::run_seeds(seeds, [&] {
      started = finished = 0;
      why.clear();
      return with_server(app, options, client);
    });
  }

  App app;
  int started = 0;
  int finished = 0;
  std::string why;
};

// Sends `request`, ends its side, and reads to the end.
Task<std::string> half_closing(Address address, std::string request) {
  Stream stream = co_await connect(address);
  co_await stream.write(std::move(request));
  co_await stream.shutdown_write();
  std::string answer = co_await stream.read_all();
  co_return answer;
}

TEST_F(ServerClientsTest, AClientThatEndsItsSideGetsItsAnswer) {
  ServerOptions patient;
  patient.half_closed_timeout = 10s;
  run(
      [this](Server& server) -> Task<> {
        const std::string get = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
        const std::string slow = co_await half_closing(server.address(), get);
        EXPECT_THAT(slow, EndsWith("done"));
        const std::string both = co_await half_closing(server.address(), get + get);
        EXPECT_THAT(both, ContainsRegex("done(.|\n|\r)*done"));
        EXPECT_EQ(finished, 3);
        const std::string echo = co_await half_closing(
            server.address(), "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        EXPECT_THAT(echo, EndsWith("abc"));
        const std::string all =
            co_await half_closing(server.address(), "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_THAT(all, EndsWith(std::string(large, 'x')));
      },
      patient);
}

// Every piece that is taken shows that somebody is there.
TEST_F(ServerClientsTest, AClientThatEndsItsSideGetsAStream) {
  ServerOptions patient;
  patient.half_closed_timeout = 10s;
  run(
      [this](Server& server) -> Task<> {
        const std::string ticks =
            co_await half_closing(server.address(), "GET /ticks HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_THAT(ticks, EndsWith("0\r\n\r\n"));
        EXPECT_EQ(finished, 1);
      },
      patient);
}

TEST_F(ServerClientsTest, ABodyThatEndsTooSoonIsRefused) {
  run([](Server& server) -> Task<> {
    const std::string cut = co_await half_closing(
        server.address(), "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    EXPECT_THAT(cut, HasSubstr("HTTP/1.1 400"));
    EXPECT_THAT(cut, HasSubstr("3 of 10 bytes"));
  });
}

TEST_F(ServerClientsTest, AHandlerDoesNotWorkForLongWithoutAClient) {
  run([this](Server& server) -> Task<> {
    {
      Stream stream = co_await connect(server.address());
      co_await stream.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
      co_await sleep(1s);
    }
    co_await sleep(500ms);
    EXPECT_EQ(server.connections(), 1U);
    co_await sleep(1s);
    EXPECT_EQ(server.connections(), 0U);
    EXPECT_EQ(started, 1);
    EXPECT_EQ(finished, 0);
  });
}

TEST_F(ServerClientsTest, AConnectionThatBreaksCancelsItsHandlerAtOnce) {
  run([this](Server& server) -> Task<> {
    Stream stream = co_await connect(server.address());
    co_await stream.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    co_await sleep(1s);
    stream.reset();
    co_await sleep(100ms);
    EXPECT_EQ(server.connections(), 0U);
    EXPECT_EQ(started, 1);
    EXPECT_EQ(finished, 0);
  });
}

TEST_F(ServerClientsTest, AClientThatStopsReadingIsCutOff) {
  ServerOptions options;
  options.write_timeout = 7s;
  run(
      [this](Server& server) -> Task<> {
        for (const char* path : {"/large", "/endless"}) {
          Stream stream = co_await connect(server.address());
          const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", path);
          co_await stream.write(request);
          co_await sleep(6900ms);
          EXPECT_EQ(server.connections(), 1U) << path;
          co_await sleep(200ms);
          EXPECT_EQ(server.connections(), 0U) << path;
        }
        EXPECT_EQ(started, 1);
        EXPECT_EQ(why, "the client stopped reading the answer");
      },
      options);
}

TEST_F(ServerClientsTest, ASlowReaderIsNotCutOff) {
  ServerOptions options;
  options.write_timeout = 7s;
  run(
      [](Server& server) -> Task<> {
        Stream stream = co_await connect(server.address());
        co_await stream.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        std::size_t got = 0;
        while (got < large) {
          co_await sleep(1s);
          const std::string piece = co_await stream.read_exactly(32 * 1024);
          got += piece.size();
        }
      },
      options);
}

TEST_F(ServerClientsTest, MoreConnectionsThanAllowedWait) {
  ServerOptions options;
  options.connections = 2;
  run(
      [](Server& server) -> Task<> {
        const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        Stream first = co_await connect(server.address());
        Stream second = co_await connect(server.address());
        for (Stream* stream : {&first, &second}) {
          co_await stream->write(request);
          const std::string head = co_await stream->read_until("\r\n\r\n");
          EXPECT_THAT(head, HasSubstr("200 OK"));
        }
        Stream third = co_await connect(server.address());
        co_await third.write(request);
        const auto early = co_await move_on_after(20s, third.read_until("\r\n\r\n"));
        EXPECT_FALSE(early.has_value());
        EXPECT_EQ(server.connections(), 2U);
        first.close();
        const std::string head = co_await timeout(1s, third.read_until("\r\n\r\n"));
        EXPECT_THAT(head, HasSubstr("200 OK"));
      },
      options);
}

// The access log is a function without state.
std::string& logged() {
  static std::string lines;
  return lines;
}

TEST_F(ServerClientsTest, TheAccessLogHasALinePerRequest) {
  ServerOptions options;
  options.access_log = [](std::string_view line) { logged().append(line).append("\n"); };
  run(
      [](Server& server) -> Task<> {
        logged().clear();
        Stream stream = co_await connect(server.address());
        co_await stream.write(
            "GET /?q=1 HTTP/1.1\r\nHost: a\r\n\r\n"
            "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
            "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
            "GET /none HTTP/1.1\r\nHost: a\r\n\r\n"
            "nonsense\r\n");
        const std::string answers = co_await stream.read_all();
        EXPECT_THAT(answers, HasSubstr("400 Bad Request"));
        EXPECT_THAT(logged(),
                    ::testing::MatchesRegex("127.0.0.1 \"GET /\\?q=1 HTTP/1.1\" 200 5 0.0[0-9]+\n"
                                            "127.0.0.1 \"HEAD / HTTP/1.0\" 200 0 0.0[0-9]+\n"
                                            "127.0.0.1 \"GET /slow HTTP/1.1\" 200 4 5.0[0-9]+\n"
                                            "127.0.0.1 \"GET /none HTTP/1.1\" 404 14 0.0[0-9]+\n"
                                            "127.0.0.1 \"- - HTTP/1.1\" 400 [0-9]+ 0.0[0-9]+\n"));
      },
      options);
}

}  // namespace
}  // namespace clearway::http
