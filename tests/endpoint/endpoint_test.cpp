// Endpoints of servers and clients that talk to each other, and those that cannot work.

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/endpoint.hpp>
#include <tests/support/certificates.hpp>
#include <tests/support/temporary_folder.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;
using tests::Certificate;
using tests::CertificateRequest;
using tests::TemporaryFolder;

const Certificate& root() {
  static const Certificate certificate = [] {
    CertificateRequest request("Test root");
    request.names = "";
    request.authority = true;
    return Certificate(request);
  }();
  return certificate;
}

Certificate certificate_for(const std::string& names) {
  CertificateRequest request("server");
  request.names = names;
  return Certificate(request, root());
}

// Accepts one connection, sends it `before`, and then who it is: the peer and the first line.
Task<> answer_one(ServerEndpoint& endpoint) {
  Stream accepted = co_await endpoint.listener.accept();
  Stream stream = co_await endpoint.welcome(std::move(accepted));
  const auto line = co_await stream.read_line();
  co_await stream.write(fmt::format("{} {}", stream.peer().host(), line.value_or("nothing")));
  co_await stream.shutdown_write();
}

Task<> ask(std::string client, std::string& answer) {
  Stream stream = co_await connect_endpoint(client);
  co_await stream.write("hello\n");
  answer = co_await stream.read_all();
}

std::string port_of(const ServerEndpoint& endpoint) {
  return std::to_string(endpoint.listener.address().port());
}

// What a client at `client`, where {} is the port, hears from a server at `server`.
std::string talk(const std::string& server, const std::string& client) {
  std::string answer;
  run([](std::string where, std::string from, std::string& heard) -> Task<> {
    ServerEndpoint endpoint = listen_endpoint(where);
    from = fmt::format(fmt::runtime(from), port_of(endpoint));
    co_await gather(answer_one(endpoint), ask(from, heard));
  }(server, client, answer));
  return answer;
}

std::string refusal_of_server(const std::string& text) {
  return tests::error_of([&] {
    run([](std::string where) -> Task<> {
      listen_endpoint(where);
      co_return;
    }(text));
  });
}

std::string refusal_of_client(const std::string& text) {
  return tests::error_of([&] { ClientEndpoint endpoint(text); });
}

TEST(EndpointTest, PlainKindsTalk) {
  EXPECT_EQ(talk("tcp:0", "tcp:127.0.0.1:{}"), "127.0.0.1 hello");
  EXPECT_EQ(talk("tcp:0:127.0.0.1:5", "TCP:port={}:host=localhost"), "127.0.0.1 hello");
  EXPECT_EQ(talk("tcp:port=0:interface=localhost:backlog=5",
                 "tcp:127.0.0.1:{}:timeout=2.5:bindAddress=127.0.0.9"),
            "127.0.0.9 hello");
  EXPECT_EQ(talk("tcp6:0:5:\\:\\:1", "tcp:\\:\\:1:{}"), "::1 hello");
  EXPECT_EQ(talk("Tcp6:0:interface=" + quote_endpoint("::1"), "tcp:host=\\:\\:1:port={}"),
            "::1 hello");
}

TEST(EndpointTest, UnixSocketsHaveTheirMode) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/a:b";
  const std::string quoted = quote_endpoint(path);
  run([](std::string where, std::string file) -> Task<> {
    ServerEndpoint endpoint = listen_endpoint("unix:" + where + ":mode=600:lockfile=1");
    struct stat status{};
    EXPECT_EQ(::stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    std::string answer;
    co_await gather(answer_one(endpoint), ask("unix:path=" + where + ":timeout=5", answer));
    EXPECT_THAT(answer, HasSubstr(" hello"));
  }(quoted, path));
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  const std::string abstract = fmt::format("@clearway-endpoint-{}", ::getpid());
  EXPECT_THAT(talk("unix:" + abstract, "unix:" + abstract), HasSubstr(" hello"));
}

// Also with a umask that takes nothing away: somebody looks all the while.
TEST(EndpointTest, UnixSocketsHaveTheirModeFromTheFirstMoment) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/socket";
  std::atomic<unsigned> seen = 0;
  const std::jthread observer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      struct stat status{};
      if (::stat(path.c_str(), &status) == 0) seen |= status.st_mode & 0777U;
    }
  });
  const mode_t before = ::umask(0);
  run([](std::string where, std::atomic<unsigned>& modes) -> Task<> {
    const Instant end = loop_time() + std::chrono::seconds(20);
    for (int count = 0; count < 200 || (modes == 0 && loop_time() < end); ++count) {
      const ServerEndpoint endpoint = listen_endpoint("unix:" + where + ":mode=600");
    }
    co_return;
  }(quote_endpoint(path), seen));
  ::umask(before);
  EXPECT_EQ(seen, 0600U);
}

TEST(EndpointTest, SslTalksToTls) {
  const TemporaryFolder folder;
  const Certificate server = certificate_for("DNS:localhost,IP:127.0.0.1");
  const std::string key = folder.write("key.pem", server.key_pem());
  const std::string chain = folder.write("cert.pem", server.pem());
  const std::string roots = folder.path() + "/roots";
  std::filesystem::create_directory(roots);
  folder.write("roots/root.pem", root().pem());
  const std::string ssl = fmt::format(
      "ssl:0:privateKey={}:certKey={}:interface=127.0.0.1:sslmethod=TLS_METHOD", key, chain);
  EXPECT_EQ(talk(ssl, "tls:127.0.0.1:{}:trustRoots=" + roots), "127.0.0.1 hello");
  EXPECT_EQ(talk(ssl, "ssl:127.0.0.1:{}:caCertsDir=" + roots + ":hostname=localhost"),
            "127.0.0.1 hello");
  EXPECT_EQ(talk(ssl, "tls:localhost:443:trustRoots=" + roots + R"(:endpoint=tcp\:127.0.0.1\:{})"),
            "127.0.0.1 hello")
      << "another way to the host whose certificate it must be";
  EXPECT_THAT(tests::error_of([&] {
                talk(ssl, "ssl:127.0.0.1:{}:caCertsDir=" + roots + ":hostname=example.com");
              }),
              HasSubstr("example.com"));
  EXPECT_THAT(tests::error_of([&] { talk(ssl, "ssl:127.0.0.1:{}"); }), HasSubstr("127.0.0.1"))
      << "an omitted hostname does not mean that none is verified";
}

TEST(EndpointTest, SslAsksForAClientsCertificate) {
  const TemporaryFolder folder;
  const Certificate server = certificate_for("IP:127.0.0.1");
  const std::string both = folder.write("both.pem", server.pem() + server.key_pem());
  const std::string authority = folder.write("root.pem", root().pem());
  const std::string roots = folder.path() + "/roots";
  std::filesystem::create_directory(roots);
  folder.write("roots/root.pem", root().pem());
  const std::string ssl = fmt::format("ssl:0:{}:interface=127.0.0.1:clientCA={}", both, authority);
  EXPECT_EQ(talk(ssl, fmt::format("tls:127.0.0.1:{{}}:trustRoots={}:certificate={}", roots, both)),
            "127.0.0.1 hello");
  EXPECT_NE(tests::error_of([&] { talk(ssl, "tls:127.0.0.1:{}:trustRoots=" + roots); }), "");
}

TEST(EndpointTest, ABalancerSaysWhoTheClientIs) {
  const auto behind = [](const std::string& server, std::string greeting) {
    std::string answer;
    run([](std::string where, std::string first, std::string& heard) -> Task<> {
      ServerEndpoint endpoint = listen_endpoint(where);
      const std::uint16_t port = endpoint.listener.address().port();
      co_await gather(answer_one(endpoint),
                      [](std::uint16_t to, std::string bytes, std::string& text) -> Task<> {
                        Stream stream = co_await connect("127.0.0.1", to);
                        for (const char byte : bytes) co_await stream.write(std::string(1, byte));
                        text = co_await stream.read_all();
                      }(port, first, heard));
    }(server, greeting, answer));
    return answer;
  };
  const std::string text = "PROXY TCP4 1.2.3.4 127.0.0.1 1111 80\r\n";
  EXPECT_EQ(behind("haproxy:tcp:0:interface=127.0.0.1", text + "hello\n"), "1.2.3.4 hello");
  EXPECT_EQ(behind("haproxy:proxies=127.0.0.0/8:tcp:0", text + "hello\n"), "1.2.3.4 hello");
  EXPECT_EQ(behind("haproxy:tcp:0", "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0hello\n"s), "127.0.0.1 hello");
  EXPECT_THAT(tests::error_of([&] { behind("haproxy:tcp:0", "hello there\n"); }),
              HasSubstr("does not begin with a header of the PROXY protocol: there is none"));
  EXPECT_THAT(
      tests::error_of([&] { behind("haproxy:proxies=10.0.0.0/8:tcp:0", text + "hello\n"); }),
      HasSubstr("is none of the proxies whose word counts here"));
}

// In simulated time: who says nothing is not waited for.
TEST(EndpointTest, ABalancerThatSaysNothingIsSentAway) {
  sim::run_seeds(1, []() -> Task<> {
    ServerEndpoint endpoint = listen_endpoint("haproxy:tcp:0");
    Stream silent = co_await connect("127.0.0.1", endpoint.listener.address().port());
    co_await silent.write("PROXY ");
    Stream accepted = co_await endpoint.listener.accept();
    const Instant start = loop_time();
    std::string error;
    try {
      Stream stream = co_await endpoint.welcome(std::move(accepted));
    } catch (const NetError& failure) {
      error = failure.what();
    }
    EXPECT_THAT(error, HasSubstr("sent no header of the PROXY protocol within 5 s"));
    EXPECT_EQ(loop_time() - start, std::chrono::seconds(5));
  });
}

TEST(EndpointTest, SocketsAreInherited) {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
  const Address any = Address::loopback(0);
  ASSERT_EQ(::bind(socket.get(), any.data(), any.size()), 0);
  EXPECT_THAT(refusal_of_server(fmt::format("fd:{}:INET", socket.get())),
              HasSubstr("column 4: descriptor"));
  ASSERT_EQ(::listen(socket.get(), 5), 0);
  const std::string server = fmt::format("fd:fileno={}:domain=INET", socket.get());
  EXPECT_EQ(talk(server, "tcp:127.0.0.1:{}"), "127.0.0.1 hello");
  EXPECT_EQ(talk(server, "tcp:127.0.0.1:{}"), "127.0.0.1 hello") << "it stays open";
  EXPECT_EQ(::fcntl(socket.get(), F_GETFD), FD_CLOEXEC) << "but not for children";
  EXPECT_THAT(refusal_of_server(fmt::format("fd:{}:INET6", socket.get())),
              HasSubstr("is of another domain"));
  EXPECT_THAT(refusal_of_server("fd:99999:INET"), HasSubstr("Bad file descriptor"));
}

class SystemdTest : public ::testing::Test {
 protected:
  static void say(long process, const char* count, const char* names) {
    ::setenv("LISTEN_PID", std::to_string(process).c_str(), 1);
    ::setenv("LISTEN_FDS", count, 1);
    ::setenv("LISTEN_FDNAMES", names, 1);
  }
  ~SystemdTest() override {
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  }
};

TEST_F(SystemdTest, SaysWhatItCannotGive) {
  EXPECT_THAT(refusal_of_server("systemd:domain=INET:index=0"),
              HasSubstr("column 21: systemd has passed no sockets to this process"));
  say(::getpid() + 1, "1", "web");
  EXPECT_THAT(refusal_of_server("systemd:domain=INET:index=0"), HasSubstr("passed no sockets"));
  say(::getpid(), "2", "web:admin");
  EXPECT_THAT(refusal_of_server("systemd:domain=INET:index=2"),
              HasSubstr("there is no socket 2: systemd has passed 2, counted from 0"));
  EXPECT_THAT(refusal_of_server("systemd:domain=INET:name=mail"),
              HasSubstr("no socket named \"mail\"; there are web, admin"));
  say(::getpid(), "2", "web");
  EXPECT_THAT(refusal_of_server("systemd:domain=INET:name=web"),
              HasSubstr("has passed 2 sockets and 1 names"));
  EXPECT_THAT(refusal_of_server("systemd:domain=INET:index=0:name=web"),
              HasSubstr("give either index=NUMBER or name=NAME"));
  EXPECT_THAT(refusal_of_server("systemd:domain=INET"), HasSubstr("give either index"));
  EXPECT_THAT(refusal_of_server("systemd:IPX:0"),
              HasSubstr("column 9: \"IPX\" is not a domain: there are INET, INET6 and UNIX"));
}

// In a process of its own, since descriptor 3 is whose it is here.
TEST_F(SystemdTest, GivesWhatItHasPassed) {
  const auto serve_in_child = [] {
    const Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
    const Address any = Address::loopback(0);
    if (::bind(socket.get(), any.data(), any.size()) != 0) std::_Exit(2);
    if (::listen(socket.get(), 5) != 0 || ::dup2(socket.get(), 4) != 4) std::_Exit(3);
    say(::getpid(), "2", "other:web");
    const bool by_place = talk("systemd:INET:index=1", "tcp:127.0.0.1:{}") == "127.0.0.1 hello";
    const bool by_name = talk("systemd:INET:name=web", "tcp:127.0.0.1:{}") == "127.0.0.1 hello";
    std::_Exit(by_place && by_name ? 0 : 4);
  };
  EXPECT_EXIT(serve_in_child(), ::testing::ExitedWithCode(0), "");
}

TEST(EndpointTest, ServersThatCannotWorkSayWhere) {
  EXPECT_THAT(refusal_of_server("quic:443"),
              HasSubstr("endpoint \"quic:443\", column 1: \"quic\" is not a kind of server"));
  EXPECT_THAT(refusal_of_server(""), HasSubstr("column 1: \"\" is not a kind"));
  EXPECT_THAT(refusal_of_server("tcp"), HasSubstr("column 4: the port is missing: write tcp:PORT"));
  EXPECT_THAT(refusal_of_server("tcp:"), HasSubstr("column 5: the port is missing"));
  EXPECT_THAT(refusal_of_server("tcp:http"), HasSubstr("column 5: \"http\" is not a port"));
  EXPECT_THAT(refusal_of_server("tcp:80:interface=nowhere"), HasSubstr("column 8: interface"));
  EXPECT_THAT(refusal_of_server("tcp:80:backlog=0"), HasSubstr("column 8: \"0\" is not a number"));
  EXPECT_THAT(refusal_of_server("unix:"), HasSubstr("column 6: the address is missing"));
  EXPECT_THAT(refusal_of_server("unix:/tmp/x:mode=999"), HasSubstr("\"999\" is not a mode"));
  EXPECT_THAT(refusal_of_server("ssl:443"), HasSubstr("column 8: the privateKey is missing"));
  EXPECT_THAT(refusal_of_server("ssl:443:a:sslmethod=SSLv3_METHOD"),
              HasSubstr("column 11: \"SSLv3_METHOD\" is not spoken"));
  EXPECT_THAT(refusal_of_server("ssl:443:/no/key:certKey=/no/certificate"),
              HasSubstr("column 17: cannot read the certificate file /no/certificate"));
  EXPECT_THAT(refusal_of_server("tls:/no/folder:4443"),
              HasSubstr("column 5: cannot read the folder /no/folder"));
  EXPECT_THAT(refusal_of_server("haproxy"), HasSubstr("column 8: the endpoint within it"));
  EXPECT_THAT(refusal_of_server("haproxy:80"), HasSubstr("\"80\" is not a kind"));
  EXPECT_THAT(refusal_of_server("stdio:"),
              HasSubstr("column 1: standard input and output are one"));
  EXPECT_THAT(refusal_of_server("haproxy:haproxy:tcp:80"), HasSubstr("one PROXY header is enough"));
  EXPECT_THAT(refusal_of_server("haproxy:proxies=me:tcp:80"), HasSubstr("column 9: \"me\" is no"));
  EXPECT_THAT(refusal_of_server("haproxy:tcp:80:speed=1"), HasSubstr("column 16: tcp endpoints"));
}

TEST(EndpointTest, ClientsThatCannotWorkSayWhere) {
  EXPECT_THAT(refusal_of_client("http:x"), HasSubstr("column 1: \"http\" is not a kind of client"));
  EXPECT_THAT(refusal_of_client("tcp:x"), HasSubstr("column 6: the port is missing"));
  EXPECT_THAT(refusal_of_client("tcp:x:0"), HasSubstr("column 7: \"0\" is not a port, 1 to 65535"));
  EXPECT_THAT(refusal_of_client("tcp:x:1:timeout=-1"), HasSubstr("\"-1\" is not a number of sec"));
  EXPECT_THAT(refusal_of_client("tcp:x:1:bindAddress=x"), HasSubstr("bindAddress \"x\" is not an"));
  EXPECT_THAT(refusal_of_client("unix:"), HasSubstr("the path is missing"));
  EXPECT_THAT(refusal_of_client("tls:x:1:speed=5"), HasSubstr("tls endpoints have no \"speed\""));
  EXPECT_THAT(refusal_of_client("tls:x:1:privateKey=/k"), HasSubstr("without a certificate=FILE"));
  EXPECT_THAT(refusal_of_client("tls:x:1:trustRoots=/no/folder"), HasSubstr("column 9: "));
  EXPECT_THAT(refusal_of_client("tls:x:1:trustRoots="), HasSubstr("column 9: trustRoots is empty"));
  EXPECT_THAT(refusal_of_client("tls:x:1:certificate="), HasSubstr("certificate is empty"));
  EXPECT_THAT(refusal_of_client("ssl:x:1:privateKey=/k:certKey="), HasSubstr("certKey is empty"));
  EXPECT_THAT(refusal_of_client(R"(tls:x:1:endpoint=tls\:y\:1)"),
              HasSubstr("column 9: TLS inside TLS is not spoken"));
  EXPECT_THAT(refusal_of_client(R"(tls:x:1:endpoint=tcp\:y)"),
              HasSubstr("endpoint \"tcp:y\", column 6: the port is missing"));
}

}  // namespace
}  // namespace clearway
