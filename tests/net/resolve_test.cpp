#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/net/error.hpp>
#include <tests/net/both.hpp>

#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace net_tests {
namespace {

using namespace clearway;
using namespace std::chrono_literals;
using Reason = ResolveError::Reason;

// A DNS server on loopback that answers every question as it is told.
class DnsServer {
 public:
  // Gives the answer to a question; empty: none.
  using Answer = std::function<std::string(std::string query)>;

  explicit DnsServer(Answer answer)
      : answer_(std::move(answer)),
        socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)),
        stop_(::eventfd(0, EFD_CLOEXEC)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    socklen_t size = sizeof address;
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~DnsServer() {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(stop_.get(), &one, sizeof one), 8);
    thread_.join();
  }
  ResolveOptions options(Duration timeout = 10s) const {
    return {.timeout = timeout, .server_port = port_};
  }

 private:
  void serve() {
    for (;;) {
      pollfd wait[2] = {{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
      ::poll(wait, 2, -1);
      if (wait[1].revents != 0) return;
      char query[512];
      sockaddr_in peer{};
      socklen_t size = sizeof peer;
      const ssize_t count = ::recvfrom(socket_.get(), query, sizeof query, 0,
                                       reinterpret_cast<sockaddr*>(&peer), &size);
      const std::string reply = answer_(std::string(query, static_cast<std::size_t>(count)));
      if (reply.empty()) continue;
      ::sendto(socket_.get(), reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&peer),
               size);
    }
  }

  Answer answer_;
  Descriptor socket_;
  Descriptor stop_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

// RFC 1035, section 4.1: the question's header turned into an answer's, with a code and a count.
std::string reply(std::string query, int code, int answers) {
  query.resize(query.find('\0', 12) + 5);  // header, name, type and class; no EDNS
  query[2] = '\x81';
  query[3] = static_cast<char>(0x80 | code);
  query[7] = static_cast<char>(answers);
  query[11] = 0;
  return query;
}

bool asks_for_ipv4(const std::string& query) { return query[query.find('\0', 12) + 2] == 1; }

std::string with_address(const std::string& query) {
  if (!asks_for_ipv4(query)) return reply(query, 0, 0);
  // The name again, type A, class IN, 60 s, 4 bytes: 192.0.2.7.
  return reply(query, 0, 1) + std::string("\xC0\x0C\0\1\0\1\0\0\0\x3C\0\4\xC0\0\2\7", 16);
}

Task<std::vector<Address>> resolve_with(std::string name, ResolveOptions options) {
  co_return co_await resolve(name, 443, options);
}

void expect_failure(std::string name, ResolveOptions options, Reason reason,
                    std::string_view part) {
  try {
    run(resolve_with(name, options));
    ADD_FAILURE() << "resolved";
  } catch (const ResolveError& error) {
    EXPECT_EQ(error.reason(), reason) << error.what();
    EXPECT_EQ(error.host(), name);
    EXPECT_EQ(error.phase(), NetPhase::resolve);
    EXPECT_NE(std::string_view(error.what()).find(name), std::string_view::npos) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos) << error.what();
  }
}

TEST(Resolve, LiteralsAndLocalhostAtOnce) {
  over_both(
      []() -> Task<> {
        auto addresses = co_await resolve("192.0.2.1", 80);
        EXPECT_EQ(addresses.at(0).to_string(), "192.0.2.1:80");
        addresses = co_await resolve("::1", 80);
        EXPECT_EQ(addresses.at(0).to_string(), "[::1]:80");
        for (const char* name : {"localhost", "LocalHost.", "a.localhost"}) {
          addresses = co_await resolve(name, 8080);
          EXPECT_EQ(addresses.at(0).to_string(), "127.0.0.1:8080") << name;
          EXPECT_EQ(addresses.at(1).to_string(), "[::1]:8080") << name;
        }
        EXPECT_THROW(co_await resolve("", 80), ResolveError);
        EXPECT_THROW(co_await resolve(std::string("a\0b", 3), 80), ResolveError);
      },
      5);
}

TEST(Resolve, ASimulatedWorldHasItsOwnNames) {
  clearway::sim::run_seeds(5, []() -> Task<> {
    auto& world = static_cast<SimulatedDriver&>(Loop::current().driver());
    std::vector<Address> known(1, *Address::ip("10.1.2.3", 0));
    world.add_name("db.internal", std::move(known));
    auto addresses = co_await resolve("db.internal", 5432);
    EXPECT_EQ(addresses.at(0).to_string(), "10.1.2.3:5432");
    EXPECT_THROW(co_await resolve("nosuch.internal", 80), ResolveError);
  });
}

TEST(ResolveThread, AsksTheServer) {
  DnsServer server(with_address);
  const auto addresses = run(resolve_with("www.example.com", server.options()));
  ASSERT_EQ(addresses.size(), 1U);
  EXPECT_EQ(addresses[0].to_string(), "192.0.2.7:443");
}

TEST(ResolveThread, SaysWhatIsWrong) {
  {
    DnsServer server([](const std::string& query) { return reply(query, 3, 0); });
    expect_failure("nosuch.example.com", server.options(), Reason::unknown_host, "unknown host");
  }
  {
    DnsServer server([](const std::string& query) { return reply(query, 0, 0); });
    expect_failure("empty.example.com", server.options(), Reason::no_address, "no IPv4 or IPv6");
  }
  {
    DnsServer server([](const std::string&) { return ""; });
    expect_failure("silent.example.com", server.options(20ms), Reason::no_answer,
                   "no answer from the DNS server 127.0.0.1 within 0.02 s");
  }
  expect_failure(std::string(70, 'x') + ".com", {.timeout = 20ms, .server_port = 1},
                 Reason::unknown_host, "");
}

TEST(ResolveThread, ManyAtOnce) {
  DnsServer server(with_address);
  run([](ResolveOptions options) -> Task<> {
    std::vector<int> numbers(50);
    const auto all = co_await gather(numbers, [&](int number) {
      return resolve("host" + std::to_string(number) + ".example.com", 80, options);
    });
    EXPECT_EQ(all.size(), 50U);
    for (const auto& addresses : all) EXPECT_EQ(addresses.size(), 1U);
  }(server.options()));
}

TEST(ResolveThread, ACancelledQueryIsDropped) {
  DnsServer server([](const std::string&) { return ""; });
  run([](ResolveOptions options) -> Task<> {
    auto none = co_await move_on_after(5ms, resolve("silent.example.com", 80, options));
    EXPECT_FALSE(none.has_value());
    EXPECT_EQ(Loop::current().timers().size(), 0U);
  }(server.options()));
}

}  // namespace
}  // namespace net_tests
