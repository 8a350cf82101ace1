// What goes to threads: names, processes, commands.

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <clearway/task/thread_pool.hpp>

#include "hooks_world.hpp"

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::gave;
using tests::Outcome;
using tests::pause;
using tests::together;

// Runs `body` on a fiber beside one that counts, and says whether that got on.
void beside_a_ticker(const std::function<void()>& body) {
  tests::on_both_drivers(
      [&]() -> Task<> {
        bool done = false;
        int ticks = 0;
        std::vector<std::function<void()>> functions;
        functions.emplace_back([&] {
          body();
          done = true;
        });
        functions.emplace_back([&] {
          do {
            pause(100us);
            ++ticks;
          } while (!done);
        });
        co_await together(std::move(functions));
        EXPECT_GT(ticks, 0);
      },
      3);
}

TEST(HooksOffload, Names) {
  beside_a_ticker([] {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    EXPECT_EQ(::getaddrinfo("localhost", "80", &hints, &found), 0);
    const bool any = found != nullptr;
    EXPECT_TRUE(any);
    if (!any) return;
    char name[NI_MAXHOST] = {};
    EXPECT_EQ(::getnameinfo(found->ai_addr, found->ai_addrlen, name, sizeof name, nullptr, 0, 0),
              0);
    EXPECT_STRNE(name, "");
    ::freeaddrinfo(found);
    EXPECT_EQ(::getaddrinfo("127.0.0.1", "80", nullptr, &found), 0);
    ::freeaddrinfo(found);
  });
}

TEST(HooksOffload, OldNames) {
  beside_a_ticker([] {
    const hostent* const entry = ::gethostbyname("localhost");
    const bool found = entry != nullptr;
    EXPECT_TRUE(found);
    if (!found) return;
    EXPECT_EQ(entry->h_addrtype, AF_INET);
    in_addr address{};
    std::memcpy(&address, entry->h_addr_list[0], sizeof address);
    EXPECT_EQ(address.s_addr, htonl(INADDR_LOOPBACK));
    EXPECT_NE(::gethostbyname2("localhost", AF_INET), nullptr);
    EXPECT_NE(::gethostbyaddr(&address, sizeof address, AF_INET), nullptr);
    hostent own{};
    char buffer[4096];
    hostent* result = nullptr;
    int problem = 0;
    EXPECT_EQ(::gethostbyname_r("localhost", &own, buffer, sizeof buffer, &result, &problem), 0);
    EXPECT_EQ(result, &own);
    char tiny[8];
    EXPECT_EQ(::gethostbyname_r("localhost", &own, tiny, sizeof tiny, &result, &problem), ERANGE);
  });
}

TEST(HooksOffload, Commands) {
  beside_a_ticker([] {
    EXPECT_EQ(WEXITSTATUS(std::system("exit 5")), 5);
    std::FILE* const stream = ::popen("cat > /dev/null; exit 6", "w");
    EXPECT_NE(stream, nullptr);
    if (stream == nullptr) return;
    std::fputs("some words", stream);
    EXPECT_EQ(WEXITSTATUS(::pclose(stream)), 6);
  });
}

TEST(HooksOffload, Children) {
  beside_a_ticker([] {
    for (const bool any : {false, true}) {
      tests::Pipe pipe;
      const pid_t child = ::fork();
      if (child == 0) {
        char byte = 0;
        pipe.in.reset();
        const ssize_t end = ::read(pipe.out.get(), &byte, 1);
        ::_exit(end == 0 ? 7 : 8);
      }
      pause(1ms);
      pipe.in.reset();
      int status = 0;
      EXPECT_EQ(any ? ::wait(&status) : ::waitpid(child, &status, 0), child);
      EXPECT_EQ(WEXITSTATUS(status), 7);
    }
    EXPECT_EQ(Outcome(::waitpid(-1, nullptr, 0)), tests::failed(ECHILD));
  });
}

// Cancelled, the fiber goes on at once; the command is left to itself.
// As libcurl's do that have looked up a name.
TEST(HooksOffload, AThreadThatHasEndedIsJoinedWithoutAnother) {
  tests::on_real_drivers([]() -> Task<> {
    const auto end_and_join = [] {
      std::atomic<long> number = 0;
      std::thread ended([&] { number = ::syscall(SYS_gettid); });
      while (number == 0) fiber::await(yield());
      const std::string place = fmt::format("/proc/self/task/{}", number.load());
      while (::access(place.c_str(), F_OK) == 0) fiber::await(yield());
      ended.join();
    };
    co_await fiber::run(end_and_join);
    EXPECT_EQ(Loop::current().service<detail::ThreadPool>().threads(), 0U);
  });
}

TEST(HooksOffload, CancellingLeavesTheThreadBehind) {
  tests::on_real_drivers([]() -> Task<> {
    tests::Pipe pipe;
    const std::string command = "read line <&" + std::to_string(pipe.out.get());
    const auto body = [&] {
      EXPECT_EQ(Outcome(std::system(command.c_str())), tests::failed(ECANCELED));
    };
    const auto outcome = co_await move_on_after(3ms, fiber::run(body));
    EXPECT_FALSE(outcome.has_value());
    EXPECT_EQ(::write(pipe.in.get(), "end\n", 4), 4);
  });
}

}  // namespace
}  // namespace clearway
