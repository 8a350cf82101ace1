// connect, accept, poll, select, epoll_wait and sleeps on fibers.

#include <ctime>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/un.h>

#include "hooks_world.hpp"

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::failed;
using tests::gave;
using tests::Outcome;
using tests::Pair;
using tests::pause;
using tests::together;

// A TCP listener of the kernel's own on a free port.
struct Listener {
  Listener() : descriptor(::socket(AF_INET, SOCK_STREAM, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(descriptor.get(), reinterpret_cast<sockaddr*>(&address), size);
    ::listen(descriptor.get(), 10);
    ::getsockname(descriptor.get(), reinterpret_cast<sockaddr*>(&address), &size);
  }
  Descriptor descriptor;
  sockaddr_in address{};
};

int connect_to(const sockaddr_in& address, int descriptor) {
  return ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

TEST(Hooks, ConnectAndAccept) {
  tests::on_both_drivers([]() -> Task<> {
    Listener listener;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      const Descriptor first(::accept(listener.descriptor.get(), nullptr, nullptr));
      EXPECT_TRUE(first.valid());
      EXPECT_EQ(::fcntl(first.get(), F_GETFL) & O_NONBLOCK, 0);
      const Descriptor second(
          ::accept4(listener.descriptor.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      EXPECT_TRUE(second.valid());
      EXPECT_NE(::fcntl(second.get(), F_GETFL) & O_NONBLOCK, 0);
      EXPECT_EQ(::fcntl(listener.descriptor.get(), F_GETFL) & O_NONBLOCK, 0);
    });
    functions.emplace_back([&] {
      for (int count = 0; count < 2; ++count) {
        pause(1ms);
        const Descriptor client(::socket(AF_INET, SOCK_STREAM, 0));
        EXPECT_EQ(Outcome(connect_to(listener.address, client.get())), gave(0));
        EXPECT_EQ(::fcntl(client.get(), F_GETFL) & O_NONBLOCK, 0);
      }
    });
    co_await together(std::move(functions));
  });
}

TEST(Hooks, ARefusedConnectSaysSo) {
  tests::on_both_drivers([]() -> Task<> {
    Listener listener;
    listener.descriptor.reset();
    const auto body = [&] {
      const Descriptor client(::socket(AF_INET, SOCK_STREAM, 0));
      EXPECT_EQ(Outcome(connect_to(listener.address, client.get())), failed(ECONNREFUSED));
      // The owner of a non-blocking socket waits by itself.
      Listener other;
      const Descriptor eager(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      EXPECT_EQ(Outcome(connect_to(other.address, eager.get())), failed(EINPROGRESS));
    };
    co_await fiber::run(body);
  });
}

// A Unix listener whose backlog is full.
TEST(Hooks, ConnectWaitsForABacklog) {
  sim::run({}, []() -> Task<> {
    const Descriptor listener(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "clearway-hooks-%d",
                  ::getpid());
    const auto* where = reinterpret_cast<const sockaddr*>(&address);
    EXPECT_EQ(::bind(listener.get(), where, sizeof address), 0);
    EXPECT_EQ(::listen(listener.get(), 0), 0);
    std::vector<Descriptor> clients;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      for (int count = 0; count < 3; ++count) {
        clients.emplace_back(::socket(AF_UNIX, SOCK_STREAM, 0));
        EXPECT_EQ(Outcome(::connect(clients.back().get(), where, sizeof address)), gave(0));
      }
    });
    functions.emplace_back([&] {
      pause(20ms);
      for (int count = 0; count < 3; ++count) {
        const Descriptor accepted(::accept(listener.get(), nullptr, nullptr));
        EXPECT_TRUE(accepted.valid());
      }
    });
    co_await together(std::move(functions));
  });
}

TEST(Hooks, PollWaitsForOneOfMany) {
  tests::on_both_drivers([]() -> Task<> {
    std::vector<Pair> pairs(10);
    std::vector<std::function<void()>> functions;
    for (const std::size_t count : {1U, 2U, 10U}) {
      functions.emplace_back([&, count] {
        std::vector<pollfd> list;
        for (std::size_t index = 0; index < count; ++index) {
          list.push_back({pairs[index].near.get(), POLLIN, 0});
        }
        list.push_back({-1, POLLIN, 0});
        EXPECT_EQ(Outcome(::poll(list.data(), list.size(), 1000)), gave(1)) << count;
        EXPECT_EQ(list[0].revents, POLLIN);
      });
    }
    functions.emplace_back([&] {
      pause(2ms);
      ::send(pairs[0].far.get(), "x", 1, 0);
    });
    co_await together(std::move(functions));
  });
}

TEST(Hooks, PollKnowsTimeAndRareEvents) {
  tests::on_both_drivers([]() -> Task<> {
    Pair pair;
    const auto body = [&] {
      pollfd one{pair.near.get(), POLLIN, 0};
      const Instant start = loop_time();
      EXPECT_EQ(Outcome(::poll(&one, 1, 3)), gave(0));
      EXPECT_EQ(Outcome(::poll(nullptr, 0, 3)), gave(0));
      EXPECT_GE(loop_time() - start, 6ms);
      EXPECT_EQ(Outcome(::poll(&one, 1, 0)), gave(0));
      // There is something to read, and nobody asks for that.
      ::send(pair.far.get(), "x", 1, 0);
      one.events = POLLRDHUP;
      EXPECT_EQ(Outcome(::poll(&one, 1, 3)), gave(0));
      one.events = 0;
      EXPECT_EQ(Outcome(::poll(&one, 1, 3)), gave(0));
      pair.far.reset();
      EXPECT_EQ(Outcome(::poll(&one, 1, 3)), gave(1));
      EXPECT_NE(one.revents & POLLHUP, 0);
      pollfd wrong{9999, POLLIN, 0};
      EXPECT_EQ(Outcome(::poll(&wrong, 1, 3)), gave(1));
      EXPECT_EQ(wrong.revents, POLLNVAL);
      const timespec length{.tv_sec = 0, .tv_nsec = 2'000'000};
      pollfd quiet{pair.near.get(), POLLPRI, 0};
      EXPECT_EQ(Outcome(::ppoll(&quiet, 1, &length, nullptr)), gave(1));
    };
    co_await fiber::run(body);
  });
}

TEST(Hooks, SelectWaits) {
  tests::on_both_drivers([]() -> Task<> {
    Pair pair;
    Pair quiet;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      fd_set readers;
      FD_ZERO(&readers);
      FD_SET(pair.near.get(), &readers);
      FD_SET(quiet.near.get(), &readers);
      timeval limit{.tv_sec = 5, .tv_usec = 0};
      const int count = std::max(pair.near.get(), quiet.near.get()) + 1;
      EXPECT_EQ(Outcome(::select(count, &readers, nullptr, nullptr, &limit)), gave(1));
      EXPECT_TRUE(FD_ISSET(pair.near.get(), &readers));
      EXPECT_FALSE(FD_ISSET(quiet.near.get(), &readers));
      EXPECT_LE(limit.tv_sec, 4);
      FD_ZERO(&readers);
      FD_SET(quiet.near.get(), &readers);
      timeval short_limit{.tv_sec = 0, .tv_usec = 2'000};
      EXPECT_EQ(Outcome(::select(count, &readers, nullptr, nullptr, &short_limit)), gave(0));
      EXPECT_FALSE(FD_ISSET(quiet.near.get(), &readers));
      fd_set writers;
      FD_ZERO(&writers);
      FD_SET(quiet.near.get(), &writers);
      EXPECT_EQ(Outcome(::pselect(count, nullptr, &writers, nullptr, nullptr, nullptr)), gave(1));
    });
    functions.emplace_back([&] {
      pause(2ms);
      ::send(pair.far.get(), "x", 1, 0);
    });
    co_await together(std::move(functions));
  });
}

TEST(Hooks, EpollWaits) {
  tests::on_both_drivers([]() -> Task<> {
    Pair pair;
    const Descriptor epoll(::epoll_create1(0));
    epoll_event event{.events = EPOLLIN, .data = {.u64 = 7}};
    ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, pair.near.get(), &event);
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      epoll_event found{};
      EXPECT_EQ(Outcome(::epoll_wait(epoll.get(), &found, 1, 2)), gave(0));
      EXPECT_EQ(Outcome(::epoll_wait(epoll.get(), &found, 1, -1)), gave(1));
      EXPECT_EQ(std::uint64_t{found.data.u64}, 7U);  // a packed structure's
      EXPECT_EQ(Outcome(::epoll_pwait(epoll.get(), &found, 1, -1, nullptr)), gave(1));
    });
    functions.emplace_back([&] {
      pause(5ms);
      ::send(pair.far.get(), "x", 1, 0);
    });
    co_await together(std::move(functions));
  });
}

TEST(Hooks, SleepsAreTimersOfTheLoop) {
  sim::run({}, []() -> Task<> {
    const Instant start = loop_time();
    const auto body = [](int) {
      EXPECT_EQ(::sleep(1), 0U);
      EXPECT_EQ(::usleep(1'000), 0);
      const timespec length{.tv_sec = 0, .tv_nsec = 5'000};
      EXPECT_EQ(::nanosleep(&length, nullptr), 0);
      EXPECT_EQ(::clock_nanosleep(CLOCK_MONOTONIC, 0, &length, nullptr), 0);
      EXPECT_EQ(::sched_yield(), 0);
      const timespec wrong{.tv_sec = 0, .tv_nsec = 2'000'000'000};
      EXPECT_EQ(Outcome(::nanosleep(&wrong, nullptr)), failed(EINVAL));
    };
    const auto on_fiber = [&](int number) { return fiber::run(body, number); };
    const auto range = std::views::iota(0, 100);
    co_await gather(range, on_fiber);
    EXPECT_EQ(loop_time() - start, 1s + 1ms + 10us);
  });
  tests::on_real_drivers([]() -> Task<> {
    const auto body = [] {
      const auto before = std::chrono::steady_clock::now();
      std::this_thread::sleep_for(3ms);  // the C++ library's
      EXPECT_GE(std::chrono::steady_clock::now() - before, 3ms);
    };
    co_await fiber::run(body);
  });
}

TEST(Hooks, FlockWaitsForTheOther) {
  sim::run({}, []() -> Task<> {
    std::FILE* const file = std::tmpfile();
    const std::string path = "/proc/self/fd/" + std::to_string(::fileno(file));
    const Descriptor other(::open(path.c_str(), O_RDWR));
    std::string order;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      EXPECT_EQ(::flock(::fileno(file), LOCK_EX), 0);
      order += "1";
      pause(10ms);
      order += "2";
      ::flock(::fileno(file), LOCK_UN);
    });
    functions.emplace_back([&] {
      EXPECT_EQ(::flock(other.get(), LOCK_EX), 0);
      order += "3";
    });
    co_await together(std::move(functions));
    EXPECT_EQ(order, "123");
    std::fclose(file);
  });
}

}  // namespace
}  // namespace clearway
