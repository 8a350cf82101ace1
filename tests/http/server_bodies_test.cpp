// Bodies that come in pieces, whatever their timing, on connections that are kept.

#include <string>

#include <gtest/gtest.h>
#include <tests/http/server_world.hpp>

namespace clearway::http {
namespace {

Task<> post_again_and_again(Server& server, std::size_t size) {
  Stream stream = co_await connect(server.address());
  for (int round = 0; round < 5; ++round) {
    const std::string body(size, static_cast<char>('a' + round));
    co_await stream.write(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
    const auto send = [&]() -> Task<> { co_await stream.write_view(body); };
    const auto receive = [&]() -> Task<std::string> {
      const std::string head = co_await stream.read_until("\r\n\r\n");
      EXPECT_EQ(head.substr(0, 15), "HTTP/1.1 200 OK");
      co_return co_await stream.read_exactly(size);
    };
    const auto [nothing, back] = co_await gather(send(), receive());
    EXPECT_TRUE(back == body);
  }
}

// The last bytes of a body may be read by the handler in the very turn in which the connection
// learns of them: it is kept all the same.
TEST(ServerBodies, AreEchoedOnOneConnection) {
  for (const std::size_t size : {1000, 20'000, 100'000}) {
    sim::run_seeds(100, [size]() -> Task<> {
      App app;
      app.post("/echo",
               [](Request& request) -> Task<Response> { co_return co_await request.body(); });
      const auto client = [size](Server& server) { return post_again_and_again(server, size); };
      co_await with_server(app, ServerOptions(), client);
    });
  }
}

}  // namespace
}  // namespace clearway::http
