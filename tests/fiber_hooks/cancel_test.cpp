// Every hook, cancelled at each of its waits: the call fails with ECANCELED, the await throws
// Cancelled, and nothing is left behind.

#include <csignal>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <shared_mutex>

#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "hooks_world.hpp"

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::failed;
using tests::gave;
using tests::Outcome;
using tests::Pair;
using tests::pause;

// `call` blocks on the near end until `unblock` has done something at the far end, a little later.
struct Case {
  const char* name;
  std::function<Outcome(Pair&)> call;
  std::function<void(Pair&)> unblock;
};

void send_four(Pair& pair) { ::send(pair.far.get(), "four", 4, 0); }
void take_everything(Pair& pair) {
  std::vector<char> data(300'000);
  while (::recv(pair.far.get(), data.data(), data.size(), MSG_DONTWAIT) > 0) continue;
}
void do_nothing(Pair&) {}

const std::string& large() {
  static const std::string text(300'000, 'x');
  return text;
}

iovec piece_of(char* data, std::size_t size) { return {data, size}; }

std::vector<Case> reading_cases() {
  static char data[4];
  return {
      {"read", [](Pair& pair) { return Outcome(::read(pair.near.get(), data, 4)); }, send_four},
      {"readv",
       [](Pair& pair) {
         const iovec piece = piece_of(data, 4);
         return Outcome(::readv(pair.near.get(), &piece, 1));
       },
       send_four},
      {"recv", [](Pair& pair) { return Outcome(::recv(pair.near.get(), data, 4, 0)); }, send_four},
      {"recv all",
       [](Pair& pair) { return Outcome(::recv(pair.near.get(), data, 4, MSG_WAITALL)); },
       send_four},
      {"recvfrom",
       [](Pair& pair) {
         return Outcome(::recvfrom(pair.near.get(), data, 4, 0, nullptr, nullptr));
       },
       send_four},
      {"recvmsg",
       [](Pair& pair) {
         iovec piece = piece_of(data, 4);
         msghdr message{};
         message.msg_iov = &piece;
         message.msg_iovlen = 1;
         return Outcome(::recvmsg(pair.near.get(), &message, 0));
       },
       send_four},
  };
}

std::vector<Case> waiting_cases() {
  return {
      {"poll",
       [](Pair& pair) {
         pollfd one{pair.near.get(), POLLIN, 0};
         return Outcome(::poll(&one, 1, -1));
       },
       send_four},
      {"poll, together",
       [](Pair& pair) {
         pollfd one{pair.near.get(), POLLRDHUP, 0};
         return Outcome(::poll(&one, 1, -1));
       },
       [](Pair& pair) { ::shutdown(pair.far.get(), SHUT_WR); }},
      {"select",
       [](Pair& pair) {
         fd_set readers;
         FD_ZERO(&readers);
         FD_SET(pair.near.get(), &readers);
         return Outcome(::select(pair.near.get() + 1, &readers, nullptr, nullptr, nullptr));
       },
       send_four},
      {"epoll_wait",
       [](Pair& pair) {
         const Descriptor epoll(::epoll_create1(0));
         epoll_event event{.events = EPOLLIN, .data = {}};
         ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, pair.near.get(), &event);
         return Outcome(::epoll_wait(epoll.get(), &event, 1, -1));
       },
       send_four},
      {"usleep", [](Pair&) { return Outcome(::usleep(5'000)); }, do_nothing},
      {"nanosleep",
       [](Pair&) {
         const timespec length{.tv_sec = 0, .tv_nsec = 5'000'000};
         return Outcome(::nanosleep(&length, nullptr));
       },
       do_nothing},
      {"clock_nanosleep",
       [](Pair&) {
         const timespec length{.tv_sec = 0, .tv_nsec = 5'000'000};
         const int code = ::clock_nanosleep(CLOCK_MONOTONIC, 0, &length, nullptr);
         errno = code;
         return Outcome(code == 0 ? 0 : -1);
       },
       do_nothing},
      {"sleep",
       [](Pair&) {
         const unsigned left = ::sleep(1);
         return Outcome(left == 0 ? 0 : -1);
       },
       do_nothing},
  };
}

// With a mask that lets in a signal that nobody sends.
std::vector<Case> masked_cases() {
  static const sigset_t none = [] {
    sigset_t empty;
    ::sigemptyset(&empty);
    return empty;
  }();
  return {
      {"ppoll",
       [](Pair& pair) {
         pollfd one{pair.near.get(), POLLIN, 0};
         return Outcome(::ppoll(&one, 1, nullptr, &none));
       },
       send_four},
      {"pselect",
       [](Pair& pair) {
         fd_set readers;
         FD_ZERO(&readers);
         FD_SET(pair.near.get(), &readers);
         const int count = pair.near.get() + 1;
         return Outcome(::pselect(count, &readers, nullptr, nullptr, nullptr, &none));
       },
       send_four},
      {"epoll_pwait",
       [](Pair& pair) {
         const Descriptor epoll(::epoll_create1(0));
         epoll_event event{.events = EPOLLIN, .data = {}};
         ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, pair.near.get(), &event);
         return Outcome(::epoll_pwait(epoll.get(), &event, 1, -1, &none));
       },
       send_four},
  };
}

std::vector<Case> writing_cases() {
  const auto write_all = [](const std::function<ssize_t(int)>& write) {
    return [write](Pair& pair) {
      const ssize_t sent = write(pair.near.get());
      if (sent >= 0 && sent < static_cast<ssize_t>(large().size())) return Outcome(0);  // in part
      return Outcome(sent > 0 ? 4 : sent);
    };
  };
  return {
      {"write", write_all([](int to) { return ::write(to, large().data(), large().size()); }),
       take_everything},
      {"send", write_all([](int to) { return ::send(to, large().data(), large().size(), 0); }),
       take_everything},
      {"writev", write_all([](int to) {
         const iovec piece = piece_of(const_cast<char*>(large().data()), large().size());
         return ::writev(to, &piece, 1);
       }),
       take_everything},
  };
}

Task<> exhaust(sim::Stage& stage, Case subject) {
  Pair pair;
  std::optional<Outcome> outcome;
  const auto body = [&] { outcome = subject.call(pair); };
  const auto unblock = [&]() -> Task<> {
    for (int count = 0; count < 20; ++count) {
      co_await sleep(1ms);
      subject.unblock(pair);
    }
  };
  const auto both = [&]() -> Task<> { co_await gather(fiber::run(body), unblock()); };
  const auto finished = co_await stage.run(both());
  // The call has ended in every case, in the way that it says.
  EXPECT_TRUE(outcome.has_value()) << subject.name;
  if (!outcome.has_value()) co_return;
  if (finished.has_value()) {
    EXPECT_GE(outcome->value, 0) << subject.name;
  } else if (outcome->value < 0) {
    EXPECT_EQ(*outcome, failed(ECANCELED)) << subject.name;
  }
}

void exhaust_all(const std::vector<Case>& cases) {
  for (const Case& subject : cases) {
    SCOPED_TRACE(subject.name);
    const std::size_t runs = sim::exhaust_cancellation(
        [&](sim::Stage& stage) -> Task<> { co_await exhaust(stage, subject); }, 3);
    EXPECT_GE(runs, 6U);
  }
  const auto counts = detail::fiber_counts();
  EXPECT_EQ(counts.idle, counts.made);
}

TEST(HooksCancel, ExhaustionOfReading) { exhaust_all(reading_cases()); }
TEST(HooksCancel, ExhaustionOfWriting) { exhaust_all(writing_cases()); }
TEST(HooksCancel, ExhaustionOfWaiting) { exhaust_all(waiting_cases()); }

TEST(HooksCancel, ExhaustionOfWaitingWithAMask) {
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR2);
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  exhaust_all(masked_cases());
  ::pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
}

TEST(HooksCancel, ExhaustionOfPipes) {
  sim::exhaust_cancellation(
      [](sim::Stage& stage) -> Task<> {
        tests::Pipe pipe;
        std::size_t written = 0;
        std::size_t received = 0;
        const auto write = [&] {
          char* const data = const_cast<char*>(large().data());
          const iovec pieces[3] = {piece_of(data, 0), piece_of(data, 100), piece_of(data, 99'900)};
          const Outcome outcome(::writev(pipe.in.get(), pieces, 3));
          EXPECT_TRUE(outcome.value > 0 || outcome == failed(ECANCELED));
          written = static_cast<std::size_t>(std::max(0L, outcome.value));
          pipe.in.reset();
        };
        const auto read = [&] {
          std::vector<char> data(5'000);
          for (;;) {
            pause(1ms);
            const Outcome outcome(::read(pipe.out.get(), data.data(), data.size()));
            if (outcome.value <= 0) return;
            received += static_cast<std::size_t>(outcome.value);
          }
        };
        const auto both = [&]() -> Task<> { co_await gather(fiber::run(write), fiber::run(read)); };
        const auto finished = co_await stage.run(both());
        EXPECT_LE(received, written);
        EXPECT_TRUE(!finished.has_value() || received == 100'000U);
      },
      3);
}

// Locks are not given up: what holds them is cancelled too, and lets go.
TEST(HooksCancel, ExhaustionOfLocks) {
  sim::exhaust_cancellation(
      [](sim::Stage& stage) -> Task<> {
        const tests::Logged logged;
        std::shared_timed_mutex lock;
        std::timed_mutex mutex;
        int writers = 0;
        int readers = 0;
        const auto write = [&](int) {
          const std::unique_lock guard(lock);
          const std::unique_lock other(mutex, 1h);
          EXPECT_TRUE(other.owns_lock());
          EXPECT_EQ(readers + writers++, 0);
          ::usleep(3'000);
          --writers;
        };
        const auto read = [&] {
          const std::shared_lock guard(lock, 1h);
          EXPECT_TRUE(guard.owns_lock());
          EXPECT_EQ(writers, 0);
          ++readers;
          ::usleep(1'000);
          --readers;
        };
        const auto range = std::views::iota(0, 2);
        const auto on_fiber = [&](int number) { return fiber::run(write, number); };
        const auto all = [&]() -> Task<> {
          co_await gather(gather(range, on_fiber), fiber::run(read), fiber::run(read));
        };
        co_await stage.run(all());
        EXPECT_TRUE(lock.try_lock()) << "nobody holds it any more";
        lock.unlock();
      },
      3);
}

TEST(HooksCancel, ExhaustionOfConnections) {
  sim::exhaust_cancellation(
      [](sim::Stage& stage) -> Task<> {
        const Descriptor listener(::socket(AF_UNIX, SOCK_STREAM, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "clearway-cancel-%d",
                      ::getpid());
        const auto* where = reinterpret_cast<const sockaddr*>(&address);
        EXPECT_EQ(::bind(listener.get(), where, sizeof address), 0);
        EXPECT_EQ(::listen(listener.get(), 0), 0);
        int connected = 0;
        int accepted = 0;
        const auto connect = [&](int) {
          const Descriptor client(::socket(AF_UNIX, SOCK_STREAM, 0));
          const Outcome outcome(::connect(client.get(), where, sizeof address));
          EXPECT_TRUE(outcome == gave(0) || outcome == failed(ECANCELED));
          connected += outcome == gave(0);
        };
        const auto accept = [&] {
          pause(2ms);
          for (int count = 0; count < 3; ++count) {
            const Descriptor one(::accept(listener.get(), nullptr, nullptr));
            EXPECT_TRUE(one.valid() || errno == ECANCELED);
            if (!one.valid()) return;
            ++accepted;
          }
        };
        const auto range = std::views::iota(0, 3);
        const auto on_fiber = [&](int number) { return fiber::run(connect, number); };
        const auto all = [&]() -> Task<> {
          co_await gather(gather(range, on_fiber), fiber::run(accept));
        };
        const auto finished = co_await stage.run(all());
        if (finished.has_value()) {
          EXPECT_EQ(connected, 3);
          EXPECT_EQ(accepted, 3);
        }
      },
      3);
}

TEST(HooksCancel, ExhaustionOfThreads) {
  sim::exhaust_cancellation(
      [](sim::Stage& stage) -> Task<> {
        const auto body = [] {
          addrinfo* found = nullptr;
          const int status = ::getaddrinfo("localhost", "80", nullptr, &found);
          EXPECT_TRUE(status == 0 || (status == EAI_SYSTEM && errno == ECANCELED));
          if (status == 0) ::freeaddrinfo(found);
          const hostent* const entry = ::gethostbyname("localhost");
          EXPECT_TRUE(entry != nullptr || h_errno == NO_RECOVERY);
        };
        co_await stage.run(fiber::run(body));
      },
      3);
}

TEST(HooksCancel, ExhaustionOfChildren) {
  sim::exhaust_cancellation(
      [](sim::Stage& stage) -> Task<> {
        pid_t child = -1;
        bool waited = false;
        const auto body = [&] {
          tests::Pipe pipe;
          child = ::fork();
          if (child == 0) {
            char byte = 0;
            pipe.in.reset();
            ::_exit(::read(pipe.out.get(), &byte, 1) == 0 ? 7 : 8);
          }
          pause(1ms);
          pipe.in.reset();
          int status = 0;
          waited = ::waitpid(child, &status, 0) == child;
          EXPECT_TRUE(waited || errno == ECANCELED);
        };
        const auto finished = co_await stage.run(fiber::run(body));
        EXPECT_TRUE(waited || !finished.has_value());
        if (!waited && child > 0) {
          const fiber::AllowBlocking it_has_ended;
          EXPECT_EQ(::waitpid(child, nullptr, 0), child);  // the child is still ours
        }
      },
      2);
}

}  // namespace
}  // namespace clearway
