// select() counts and marks as the kernel does, urgent data is waited for, and a signal mask holds
// while a fiber waits.

#include <atomic>
#include <csignal>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "hooks_world.hpp"

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::failed;
using tests::gave;
using tests::Outcome;
using tests::Pair;
using tests::pause;
using tests::Pipe;
using tests::TcpPair;
using tests::together;

struct Selected {
  long count = 0;
  int error = 0;
  bool marked[3] = {false, false, false};
  friend bool operator==(const Selected&, const Selected&) = default;
};
void PrintTo(const Selected& selected, std::ostream* out) {
  *out << selected.count << " (" << std::strerror(selected.error) << ") " << selected.marked[0]
       << selected.marked[1] << selected.marked[2];
}

// Asks for `descriptor` in the sets of `kinds`, bit by bit; by the kernel, or by what is hooked.
Selected select_one(int descriptor, unsigned kinds, bool by_kernel) {
  fd_set sets[3];
  fd_set* given[3] = {nullptr, nullptr, nullptr};
  for (unsigned kind = 0; kind < 3; ++kind) {
    FD_ZERO(&sets[kind]);
    if ((kinds & 1U << kind) == 0) continue;
    FD_SET(descriptor, &sets[kind]);
    given[kind] = &sets[kind];
  }
  timeval length{.tv_sec = 0, .tv_usec = 3'000};
  errno = 0;
  Selected selected;
  selected.count =
      by_kernel ? ::syscall(SYS_select, descriptor + 1, given[0], given[1], given[2], &length)
                : ::select(descriptor + 1, given[0], given[1], given[2], &length);
  selected.error = selected.count < 0 ? errno : 0;
  for (unsigned kind = 0; kind < 3 && selected.count >= 0; ++kind) {
    selected.marked[kind] = given[kind] != nullptr && FD_ISSET(descriptor, given[kind]);
  }
  return selected;
}

// Descriptors in every state that there is, each in every combination of sets.
TEST(HookSelect, CountsAndMarksAsTheKernel) {
  sim::run({}, []() -> Task<> {
    const auto body = [] {
      Pipe empty;
      Pipe without_reader;
      without_reader.out.reset();
      Pipe without_writer;
      without_writer.in.reset();
      Pair quiet;
      Pair with_data;
      ::send(with_data.far.get(), "x", 1, 0);
      Pair hung_up;
      hung_up.far.reset();
      Pair half;
      ::shutdown(half.far.get(), SHUT_WR);
      const int closed = ::dup(half.near.get());
      ::close(closed);
      const std::vector<int> all = {
          empty.in.get(),           empty.out.get(),  without_reader.in.get(),
          without_writer.out.get(), quiet.near.get(), with_data.near.get(),
          hung_up.near.get(),       half.near.get(),  closed};
      for (const int descriptor : all) {
        for (unsigned kinds = 0; kinds < 8; ++kinds) {
          EXPECT_EQ(select_one(descriptor, kinds, false), select_one(descriptor, kinds, true))
              << "descriptor " << descriptor << ", sets " << kinds;
        }
      }
      EXPECT_EQ(Outcome(::select(-1, nullptr, nullptr, nullptr, nullptr)), failed(EINVAL));
    };
    co_await fiber::run(body);
  });
}

// Only TCP has urgent data.
TEST(HookSelect, UrgentDataIsWaitedForBesideOrdinary) {
  tests::on_both_drivers([]() -> Task<> {
    TcpPair connection;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      pollfd one{connection.near.get(), POLLIN | POLLPRI, 0};
      EXPECT_EQ(Outcome(::poll(&one, 1, 20'000)), gave(1));
      EXPECT_EQ(one.revents, POLLPRI);
    });
    functions.emplace_back([&] {
      fd_set readers;
      FD_ZERO(&readers);
      FD_SET(connection.near.get(), &readers);
      fd_set others = readers;
      timeval length{.tv_sec = 20, .tv_usec = 0};
      const int count = connection.near.get() + 1;
      EXPECT_EQ(Outcome(::select(count, &readers, nullptr, &others, &length)), gave(1));
      EXPECT_FALSE(FD_ISSET(connection.near.get(), &readers));
      EXPECT_TRUE(FD_ISSET(connection.near.get(), &others));
    });
    functions.emplace_back([&] {
      pause(2ms);
      EXPECT_EQ(Outcome(::send(connection.far.get(), "!", 1, MSG_OOB)), gave(1));
    });
    co_await together(std::move(functions));
  });
}

std::atomic<int> signals = 0;

// SIGUSR2 is blocked in the thread, and comes while `wait` waits on a fiber with a mask without it.
Task<> interrupt(std::function<Outcome(const sigset_t& mask)> wait) {
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = [](int) { ++signals; };
  ::sigaction(SIGUSR2, &action, &before);
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR2);
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, &blocked, &mask);
  ::sigdelset(&mask, SIGUSR2);
  signals = 0;
  bool ended = false;
  int ticks = 0;
  std::vector<std::function<void()>> functions;
  functions.emplace_back([&] {
    EXPECT_EQ(wait(mask), failed(EINTR));
    EXPECT_EQ(signals, 1);
    EXPECT_GT(ticks, 1) << "the loop went on";
    ended = true;
  });
  functions.emplace_back([&] {
    for (int count = 0; count < 5; ++count) {
      pause(1ms);
      ++ticks;
    }
    EXPECT_EQ(signals, 0) << "it is blocked elsewhere";
    ::pthread_kill(::pthread_self(), SIGUSR2);
    const Instant sent = loop_time();
    while (!ended) pause(1ms);
    EXPECT_LT(loop_time() - sent, 10s);
  });
  co_await together(std::move(functions));
  ::pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
  ::sigaction(SIGUSR2, &before, nullptr);
}

constexpr timespec twenty_seconds{.tv_sec = 20, .tv_nsec = 0};

TEST(HookSelect, ASignalThatTheMaskLetsInEndsTheWait) {
  tests::on_both_drivers(
      []() -> Task<> {
        Pair quiet;
        const int descriptor = quiet.near.get();
        co_await interrupt([&](const sigset_t& mask) {
          pollfd one{descriptor, POLLIN, 0};
          return Outcome(::ppoll(&one, 1, &twenty_seconds, &mask));
        });
        co_await interrupt([&](const sigset_t& mask) {
          fd_set readers;
          FD_ZERO(&readers);
          FD_SET(descriptor, &readers);
          return Outcome(
              ::pselect(descriptor + 1, &readers, nullptr, nullptr, &twenty_seconds, &mask));
        });
        const Descriptor epoll(::epoll_create1(0));
        co_await interrupt([&](const sigset_t& mask) {
          epoll_event event{};
          return Outcome(::epoll_pwait(epoll.get(), &event, 1, 20'000, &mask));
        });
        co_await interrupt([&](const sigset_t& mask) {
          epoll_event event{};
          return Outcome(::epoll_pwait2(epoll.get(), &event, 1, &twenty_seconds, &mask));
        });
      },
      3);
}

TEST(HookSelect, AMaskDoesNotKeepDescriptorsFromBeingReady) {
  tests::on_both_drivers([]() -> Task<> {
    Pair pair;
    sigset_t none;
    ::sigemptyset(&none);
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      fd_set readers;
      FD_ZERO(&readers);
      FD_SET(pair.near.get(), &readers);
      const int count = pair.near.get() + 1;
      EXPECT_EQ(Outcome(::pselect(count, &readers, nullptr, nullptr, &twenty_seconds, &none)),
                gave(1));
    });
    functions.emplace_back([&] {
      pause(2ms);
      ::send(pair.far.get(), "x", 1, 0);
    });
    co_await together(std::move(functions));
  });
}

}  // namespace
}  // namespace clearway
