// Datagrams from and to Python's socket module.

#include <clearway/net/udp_socket.hpp>
#include <tests/net/both.hpp>

#include <cstdio>
#include <cstdlib>

namespace net_tests {
namespace {

using namespace clearway;

constexpr const char* sizes = "(0, 1, 1400, 65507)";

// A Python program whose output is read.
class Python {
 public:
  explicit Python(const std::string& program)
      : output_(::popen(("python3 -c '" + program + "'").c_str(), "re")) {}
  Python(const Python&) = delete;
  Python& operator=(const Python&) = delete;
  ~Python() { wait(); }
  static bool there() { return std::system("python3 -c '' 2>/dev/null") == 0; }

  std::string line() {
    char text[100] = "";
    return std::fgets(text, sizeof text, output_) == nullptr ? "" : text;
  }
  int wait() { return output_ == nullptr ? 0 : ::pclose(std::exchange(output_, nullptr)); }

 private:
  std::FILE* output_;
};

TEST(UdpPython, AsksUs) {
  if (!Python::there()) GTEST_SKIP() << "python3 is not installed";
  clearway::tests::on_real_drivers([]() -> Task<> {
    UdpSocket server = bind_udp("127.0.0.1", 0);
    Python client(
        "import socket\n"
        "asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "asks.settimeout(20)\n"
        "asks.connect((\"127.0.0.1\", " +
        std::to_string(server.local().port()) + "))\nfor size in " + sizes +
        ":\n"
        "  asks.send(b\"x\" * size)\n"
        "  assert asks.recv(70000) == b\"y\" * size\n");
    for (const std::size_t size : {0, 1, 1400, 65507}) {
      const Datagram question = co_await server.receive_from();
      EXPECT_EQ(question.data, std::string(size, 'x'));
      co_await server.send_to(std::string(size, 'y'), question.from);
    }
    EXPECT_EQ(client.wait(), 0);
  });
}

TEST(UdpPython, AnswersUs) {
  if (!Python::there()) GTEST_SKIP() << "python3 is not installed";
  clearway::tests::on_real_drivers([]() -> Task<> {
    Python server(
        "import socket\n"
        "answers = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
        "answers.settimeout(20)\n"
        "answers.bind((\"::1\", 0))\n"
        "print(answers.getsockname()[1], flush=True)\n"
        "for size in " +
        std::string(sizes) +
        ":\n"
        "  data, sender = answers.recvfrom(70000)\n"
        "  assert data == b\"x\" * size\n"
        "  answers.sendto(b\"y\" * size, sender)\n");
    const auto port = static_cast<std::uint16_t>(std::atoi(server.line().c_str()));
    UdpSocket client = co_await connect_udp("::1", port);
    for (const std::size_t size : {0, 1, 1400, 65507}) {
      co_await client.send(std::string(size, 'x'));
      const std::string answer = co_await client.receive();
      EXPECT_EQ(answer, std::string(size, 'y'));
    }
    EXPECT_EQ(server.wait(), 0);
  });
}

}  // namespace
}  // namespace net_tests
