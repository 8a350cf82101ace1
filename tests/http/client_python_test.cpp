// The real driver, and somebody else's server.

#include "client_peer.hpp"

#include <clearway/task/run.hpp>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace clearway::client_tests {
namespace {

// Python's http.server over a directory of its own, on a port that it chooses.
class PythonServer {
 public:
  PythonServer() {
    directory_ =
        std::filesystem::temp_directory_path() / fmt::format("clearway-client-test-{}", ::getpid());
    std::filesystem::create_directories(directory_);
    std::ofstream(directory_ / "hello.json") << "{\"name\": \"bulbasaur\"}";
    std::ofstream(directory_ / "large.txt") << std::string(3'000'000, 'x');
    int ends[2];
    if (::pipe(ends) != 0) return;
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      const int null = ::open("/dev/null", O_WRONLY);
      ::dup2(null, STDERR_FILENO);
      ::execlp("python3", "python3", "-u", "-m", "http.server", "--bind", "127.0.0.1",
               "--directory", directory_.c_str(), "0", static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(ends[1]);
    read_port(ends[0]);
    ::close(ends[0]);
  }
  PythonServer(const PythonServer&) = delete;
  PythonServer& operator=(const PythonServer&) = delete;
  ~PythonServer() {
    if (child_ > 0) {
      ::kill(child_, SIGTERM);
      ::waitpid(child_, nullptr, 0);
    }
    std::filesystem::remove_all(directory_);
  }
  int port() const { return port_; }

 private:
  // "Serving HTTP on 127.0.0.1 port 39147 ..."
  void read_port(int from) {
    std::string line;
    char byte = 0;
    while (byte != '\n' && ::read(from, &byte, 1) == 1) line += byte;
    const std::size_t at = line.find(" port ");
    if (at != std::string::npos) port_ = std::atoi(line.c_str() + at + 6);
  }

  std::filesystem::path directory_;
  pid_t child_ = -1;
  int port_ = 0;
};

TEST(ClientPython, FetchesFromHttpServer) {
  const PythonServer server;
  if (server.port() == 0) GTEST_SKIP() << "python3 is not installed";
  auto test = [&]() -> Task<> {
    http::Session session(fmt::format("http://localhost:{}/", server.port()));
    auto text = co_await session.get("hello.json").text();
    EXPECT_EQ(text, "{\"name\": \"bulbasaur\"}");
    auto sizes = co_await gather(std::views::iota(0, 20),
                                 [&](int) { return session.get("large.txt").bytes(); });
    for (const std::string& body : sizes) EXPECT_EQ(body.size(), 3'000'000u);
    auto head = co_await session.head("large.txt");
    EXPECT_EQ(head.content_length(), 3'000'000u);
    std::string message = co_await message_of(session.get("none").text());
    EXPECT_TRUE(has(message, "/none answered with status 404: ")) << message;
    message = co_await message_of(session.post("hello.json").form("a", "b").text());
    EXPECT_TRUE(has(message, "status 501")) << message;
  };
  run(test());
}

TEST(ClientPython, KeepsConnectionsOverTheLoopback) {
  auto test = []() -> Task<> {
    Peer peer(answering([](const std::string&) { return answer("real"); }));
    co_await with_peer(peer, [&]() -> Task<> {
      http::Session session(peer.url(), {.limit = 8});
      std::vector<int> many(500);
      auto texts = co_await gather(many, [&](int) { return session.get("/").text(); });
      for (const std::string& text : texts) EXPECT_EQ(text, "real");
      EXPECT_EQ(session.idle_connections(), session.connections());
    });
    EXPECT_LE(peer.connections, 8);
  };
  run(test());
}

// A session that outlives its loop lets go of its connections in time.
TEST(ClientPython, ASessionMayOutliveItsLoop) {
  http::Session session;
  for (int round = 0; round < 2; ++round) {
    auto test = [&]() -> Task<> {
      Peer peer(answering([](const std::string&) { return answer("real"); }));
      co_await with_peer(peer, [&]() -> Task<> {
        auto text = co_await session.get(peer.url()).text();
        EXPECT_EQ(text, "real");
        EXPECT_EQ(session.idle_connections(), 1u);
      });
    };
    run(test());
  }
  EXPECT_EQ(session.connections(), 0u);
}

}  // namespace
}  // namespace clearway::client_tests
