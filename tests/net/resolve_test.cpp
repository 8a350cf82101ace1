#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/net/error.hpp>
#include <clearway/net/known_names.hpp>
#include <clearway/net/name_service.hpp>
#include <tests/net/both.hpp>

#include <atomic>
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

// 192.0.2.7, for so many seconds.
std::string lasting(const std::string& query, char seconds) {
  if (!asks_for_ipv4(query)) return reply(query, 0, 0);
  std::string answer("\xC0\x0C\0\1\0\1\0\0\0\0\0\4\xC0\0\2\7",
                     16);  // the name again, type A, class IN
  answer[9] = seconds;
  return reply(query, 0, 1) + answer;
}

std::string with_address(const std::string& query) { return lasting(query, 60); }

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

// What is asked while the answer is on its way, or after it came, is not asked again.
TEST(ResolveThread, AsksOnceForWhatItKnows) {
  std::atomic<int> questions = 0;
  for (const char seconds : {60, 0}) {
    DnsServer server([&](const std::string& query) {
      if (asks_for_ipv4(query)) ++questions;
      return lasting(query, seconds);
    });
    questions = 0;
    run([](ResolveOptions options) -> Task<> {
      std::vector<int> numbers(20);
      const auto same = [&](int) { return resolve("Same.example.com", 80, options); };
      const auto at_once = co_await gather(numbers, same);
      EXPECT_EQ(at_once.size(), 20U);
      const auto again = co_await resolve("same.example.com", 443, options);
      EXPECT_EQ(again.at(0).to_string(), "192.0.2.7:443");
    }(server.options()));
    EXPECT_EQ(questions, seconds > 0 ? 1 : 2) << "an answer for 0 s must not be remembered";
  }
}

// RFC 8305, section 3: a DNS server that swallows questions for IPv6 costs 50 ms.
TEST(ResolveThread, ConnectingDoesNotWaitForASlowFamily) {
  DnsServer server([](const std::string& query) {
    if (!asks_for_ipv4(query)) return std::string();
    std::string answer = with_address(query);
    answer.replace(answer.size() - 4, 4, std::string("\x7F\0\0\1", 4));
    return answer;
  });
  run([](ResolveOptions names) -> Task<> {
    Listener listener = listen("127.0.0.1", 0);
    Stream client = co_await connect("half.example.com", listener.address().port(),
                                     {.timeout = 20s, .names = names});
    EXPECT_EQ(client.peer(), listener.address());
    EXPECT_EQ(Loop::current().service<clearway::detail::NameService>().under_way(), 0U);
  }(server.options()));
}

// The one who asked first leaves; the others get their answer.
TEST(ResolveThread, ASharedQuestionOutlivesWhoAskedFirst) {
  std::atomic<bool> answering = false;
  DnsServer server(
      [&](const std::string& query) { return answering ? with_address(query) : std::string(); });
  run([](ResolveOptions options, std::atomic<bool>& answers) -> Task<> {
    co_await task_group([&](TaskGroup& group) -> Task<> {
      auto first = group.start([&] { return resolve("a.example.com", 80, options); });
      auto second = group.start([&] { return resolve("a.example.com", 80, options); });
      co_await sleep(1ms);
      first.cancel();
      auto& names = Loop::current().service<clearway::detail::NameService>();
      co_await sleep(1ms);
      EXPECT_EQ(names.under_way(), 2U);
      second.cancel();
      co_await sleep(1ms);
      EXPECT_EQ(names.under_way(), 0U);
      answers = true;
      const auto third = co_await resolve("a.example.com", 80, options);
      EXPECT_EQ(third.size(), 1U);
    });
  }(server.options(), answering));
}

// Names can be resolved after the background work of the run was cancelled, and a question of one
// who has little time does not answer for one who has more.
TEST(ResolveThread, AFlightThatEndsEarlyStrandsNobody) {
  DnsServer server(with_address);
  run([](ResolveOptions options) -> Task<> {
    background().cancel();
    const auto addresses = co_await resolve("late.example.com", 80, options);
    EXPECT_EQ(addresses.size(), 1U);
    EXPECT_EQ(Loop::current().service<clearway::detail::NameService>().under_way(), 0U);
  }(server.options()));

  std::atomic<int> questions = 0;
  DnsServer slow([&](const std::string& query) {
    return ++questions > 2 ? with_address(query) : std::string();
  });
  run([](ResolveOptions hasty, ResolveOptions patient) -> Task<> {
    const auto [early, late] = co_await gather(as_result(resolve("slow.example.com", 80, hasty)),
                                               resolve("slow.example.com", 80, patient));
    EXPECT_FALSE(early.has_value());
    EXPECT_EQ(late.size(), 1U);
  }(slow.options(20ms), slow.options(10s)));
}

TEST(NameCache, KeepsWhatItIsToldForAsLongAsItIsTold) {
  using clearway::detail::NameAnswer;
  using clearway::detail::NameCache;
  NameCache cache;
  const auto key = [](int number) {
    return NameCache::Key("host" + std::to_string(number), AF_INET, 0, 0);
  };
  const auto answer = [](Duration lifetime) {
    NameAnswer result;
    result.addresses.push_back(Address::loopback(0));
    result.lifetime = lifetime;
    return result;
  };
  const Instant start{};
  cache.store(key(1), answer(10s), start);
  cache.store(key(2), answer(0s), start);
  cache.store(key(3), NameAnswer(), start);
  cache.store(key(4), answer(1000h), start);
  EXPECT_NE(cache.find(key(1), start + 9s), nullptr);
  EXPECT_EQ(cache.find(key(1), start + 10s), nullptr);
  EXPECT_EQ(cache.find(key(2), start), nullptr);
  EXPECT_EQ(cache.find(key(3), start), nullptr);
  EXPECT_NE(cache.find(key(4), start + 23h), nullptr);
  EXPECT_EQ(cache.find(key(4), start + 25h), nullptr);
  for (int number = 10; number < 3000; ++number) {
    cache.store(key(number), answer(std::chrono::seconds(number)), start);
  }
  EXPECT_EQ(cache.size(), NameCache::capacity);
  EXPECT_NE(cache.find(key(2999), start), nullptr);
  EXPECT_EQ(cache.find(key(10), start), nullptr);
}

TEST(HostsFile, IsReadAsItsManualSays) {
  using clearway::detail::hosts_entries;
  constexpr std::string_view text =
      "# a comment\n127.0.0.1\tlocalhost\n\n  10.0.0.1  db.internal Db # db2\r\n"
      "fe80::1 db\nnot-an-address db\n10.0.0.9 dbx\n10.0.0.2 db";
  const auto found = hosts_entries(text, "DB.", 5432);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].to_string(), "[fe80::1]:5432");
  EXPECT_EQ(found[1].to_string(), "10.0.0.1:5432");
  EXPECT_EQ(found[2].to_string(), "10.0.0.2:5432");
  EXPECT_TRUE(hosts_entries(text, "db2", 1).empty());
  EXPECT_TRUE(hosts_entries("", "db", 1).empty());
}

TEST(Idna, NamesOfOtherScripts) {
  using clearway::detail::ascii_name;
  EXPECT_EQ(ascii_name("B\u00dccher.example"), "xn--bcher-kva.example");
  EXPECT_EQ(ascii_name("fa\u00df.de"), "xn--fa-hia.de");
  EXPECT_EQ(ascii_name("Plain.example"), "Plain.example");
  EXPECT_THROW(ascii_name("a\xff"
                          "b"),
               ResolveError);
  EXPECT_THROW(ascii_name(""), ResolveError);
}

}  // namespace
}  // namespace net_tests
