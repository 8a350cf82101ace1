// Where a call on a fiber has to give exactly what it gives on a thread, and what it does meanwhile
// is easily seen: errno, terminals, limits of time, errors after a part of the data.

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sys/sendfile.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <threads.h>

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

using Functions = std::vector<std::function<void()>>;

void reset(Descriptor& socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket.reset();
}

// A name that no file has, and its size.
struct UnixName {
  UnixName() {
    static std::atomic<int> number = 0;
    address.sun_family = AF_UNIX;
    const std::string name =
        "clearway-" + std::to_string(::getpid()) + "-" + std::to_string(number.fetch_add(1));
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
  sockaddr_un address{};
  socklen_t size = 0;
};

void set_limit(int descriptor, int option, std::chrono::microseconds length) {
  const timeval limit{.tv_sec = 0, .tv_usec = length.count()};
  ASSERT_EQ(::setsockopt(descriptor, SOL_SOCKET, option, &limit, sizeof limit), 0);
}

constexpr int mark = 77;

// OpenSSL, for one, looks at errno after a read of nothing.
TEST(HookErrno, StaysWhenACallHasWorked) {
  tests::on_both_drivers([]() -> Task<> {
    Pair pair;
    Pipe pipe;
    Functions functions;
    functions.emplace_back([&] {
      char data[4];
      const auto unchanged = [](const char* call, long result) {
        EXPECT_GE(result, 0) << call;
        EXPECT_EQ(errno, mark) << call;
        errno = mark;
      };
      errno = mark;
      unchanged("read", ::read(pair.near.get(), data, 1));
      unchanged("recv", ::recv(pair.near.get(), data, 2, MSG_WAITALL));
      pollfd asked{.fd = pipe.out.get(), .events = POLLIN, .revents = 0};
      unchanged("poll", ::poll(&asked, 1, 1'000));
      unchanged("a pipe's read", ::read(pipe.out.get(), data, 1));
      unchanged("a pipe's write", ::write(pipe.in.get(), "x", 1));
      unchanged("usleep", ::usleep(10));
      unchanged("the end", ::read(pair.near.get(), data, 1));
      const UnixName name;
      const Descriptor listener(::socket(AF_UNIX, SOCK_STREAM, 0));
      const Descriptor client(::socket(AF_UNIX, SOCK_STREAM, 0));
      unchanged("bind", ::bind(listener.get(), name.get(), name.size));
      unchanged("listen", ::listen(listener.get(), 1));
      unchanged("connect", ::connect(client.get(), name.get(), name.size));
      const Descriptor accepted(::accept(listener.get(), nullptr, nullptr));
      unchanged("accept", accepted.get());
    });
    functions.emplace_back([&] {
      for (int count = 0; count < 3; ++count) {
        pause(1ms);
        ::send(pair.far.get(), "x", 1, 0);
      }
      pause(1ms);
      ::write(pipe.in.get(), "x", 1);
      pause(5ms);
      pair.far.reset();
    });
    co_await together(std::move(functions));
  });
}

// termios(3): MIN is 0, so that read() gives nothing when nothing came within TIME.
TEST(HookTerminals, AReadThatDoesNotWaitForBytesEnds) {
  tests::on_both_drivers([]() -> Task<> {
    Functions functions;
    functions.emplace_back([] {
      for (const cc_t tenths : {0, 1}) {
        int ends[2] = {-1, -1};
        ASSERT_EQ(::openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr), 0);
        const Descriptor other(ends[0]);
        const Descriptor terminal(ends[1]);
        termios settings{};
        ::tcgetattr(terminal.get(), &settings);
        ::cfmakeraw(&settings);
        settings.c_cc[VMIN] = 0;
        settings.c_cc[VTIME] = tenths;
        ASSERT_EQ(::tcsetattr(terminal.get(), TCSANOW, &settings), 0);
        const Instant before = Loop::current().now();
        char data[4];
        EXPECT_EQ(Outcome(::read(terminal.get(), data, sizeof data)), gave(0));
        EXPECT_GE(Loop::current().now() - before, tenths * 100ms);
        EXPECT_EQ(Outcome(::write(other.get(), "x", 1)), gave(1));
        EXPECT_EQ(Outcome(::read(terminal.get(), data, sizeof data)), gave(1));
      }
    });
    co_await together(std::move(functions));
  });
}

TEST(HookLimits, AUnixListenerWithoutRoomRefusesInTime) {
  tests::on_both_drivers([]() -> Task<> {
    Functions functions;
    functions.emplace_back([] {
      const UnixName name;
      const Descriptor listener(::socket(AF_UNIX, SOCK_STREAM, 0));
      ASSERT_EQ(::bind(listener.get(), name.get(), name.size), 0);
      ASSERT_EQ(::listen(listener.get(), 0), 0);
      const Descriptor first(::socket(AF_UNIX, SOCK_STREAM, 0));
      ASSERT_EQ(::connect(first.get(), name.get(), name.size), 0);
      const Descriptor second(::socket(AF_UNIX, SOCK_STREAM, 0));
      set_limit(second.get(), SO_SNDTIMEO, 20ms);
      EXPECT_EQ(Outcome(::connect(second.get(), name.get(), name.size)), failed(EAGAIN));
    });
    co_await together(std::move(functions));
  });
}

// recvmmsg(2): the limit is looked at after each message.
TEST(HookLimits, OfManyMessages) {
  tests::on_both_drivers([]() -> Task<> {
    Pair pair(SOCK_DGRAM);
    Functions functions;
    functions.emplace_back([&] {
      std::array<char[4], 3> data{};
      std::array<iovec, 3> pieces{};
      std::array<mmsghdr, 3> messages{};
      for (std::size_t index = 0; index < messages.size(); ++index) {
        pieces[index] = {data[index], sizeof data[index]};
        messages[index].msg_hdr.msg_iov = &pieces[index];
        messages[index].msg_hdr.msg_iovlen = 1;
      }
      timespec limit{};
      EXPECT_EQ(Outcome(::recvmmsg(pair.near.get(), messages.data(), 3, 0, &limit)), gave(1));
      EXPECT_EQ(limit.tv_nsec, 0);
    });
    functions.emplace_back([&] {
      pause(1ms);
      ::send(pair.far.get(), "one", 3, 0);
      pause(1ms);
      ::send(pair.far.get(), "two", 3, 0);
    });
    co_await together(std::move(functions));
  });
}

// A stream that was cut must not look as if it had ended.
TEST(HookErrors, AfterAPartOfTheDataAreTheNextCalls) {
  tests::on_both_drivers([]() -> Task<> {
    TcpPair pair;
    Functions functions;
    functions.emplace_back([&] {
      char data[16];
      EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 10, MSG_WAITALL)), gave(5));
      EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 10, 0)), failed(ECONNRESET));
    });
    functions.emplace_back([&] {
      pause(1ms);
      ::send(pair.far.get(), "hello", 5, 0);
      pause(1ms);
      reset(pair.far);
    });
    co_await together(std::move(functions));
  });
}

TEST(HookErrors, OfASendThatHadBegunAreTheNextCalls) {
  tests::on_real_drivers([]() -> Task<> {
    TcpPair pair;
    Functions functions;
    functions.emplace_back([&] {
      const std::string much(32 << 20, 'x');
      const ssize_t sent = ::send(pair.near.get(), much.data(), much.size(), MSG_NOSIGNAL);
      EXPECT_GT(sent, 0);
      EXPECT_LT(sent, static_cast<ssize_t>(much.size()));
      EXPECT_EQ(Outcome(::send(pair.near.get(), "x", 1, MSG_NOSIGNAL)), failed(ECONNRESET));
    });
    functions.emplace_back([&] {
      pause(5ms);
      reset(pair.far);
    });
    co_await together(std::move(functions));
  });
}

// A message of a few bytes with room for a descriptor.
struct WithDescriptor {
  WithDescriptor(char* data, std::size_t size) : piece{data, size} {
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
  }
  WithDescriptor(const WithDescriptor&) = delete;
  WithDescriptor& operator=(const WithDescriptor&) = delete;
  iovec piece;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
};

// MSG_WAITALL ends where descriptors come with the bytes; they must not be lost.
TEST(HookErrors, DescriptorsOfAPartAreKept) {
  tests::on_both_drivers([]() -> Task<> {
    Pair pair;
    const Pipe pipe;
    Functions functions;
    functions.emplace_back([&] {
      char data[10];
      WithDescriptor four(data, sizeof data);
      EXPECT_EQ(Outcome(::recvmsg(pair.near.get(), &four.message, MSG_WAITALL)), gave(4));
      const cmsghdr* const header = CMSG_FIRSTHDR(&four.message);
      ASSERT_NE(header, nullptr);
      int received = -1;
      std::memcpy(&received, CMSG_DATA(header), sizeof received);
      EXPECT_TRUE(Descriptor(received).valid());
    });
    functions.emplace_back([&] {
      pause(1ms);
      ::send(pair.far.get(), "abc", 3, 0);
      pause(1ms);
      char letter = 'd';
      WithDescriptor last(&letter, 1);
      cmsghdr* const header = CMSG_FIRSTHDR(&last.message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      const int given = pipe.out.get();
      std::memcpy(CMSG_DATA(header), &given, sizeof given);
      EXPECT_EQ(Outcome(::sendmsg(pair.far.get(), &last.message, 0)), gave(1));
      ::send(pair.far.get(), "efghij", 6, 0);
    });
    co_await together(std::move(functions));
  });
}

TEST(HookErrors, ADup2ThatFailsClosesNothing) {
  tests::on_both_drivers([]() -> Task<> {
    Pair pair;
    Functions functions;
    functions.emplace_back([&] {
      char data[4];
      EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 1, 0)), gave(1));
    });
    functions.emplace_back([&] {
      pause(1ms);
      EXPECT_EQ(Outcome(::dup2(-1, pair.near.get())), failed(EBADF));
      EXPECT_EQ(Outcome(::dup3(-1, pair.near.get(), 0)), failed(EBADF));
      ::send(pair.far.get(), "x", 1, 0);
    });
    co_await together(std::move(functions));
  });
}

TEST(HookErrors, SendfileTakesFilesOnly) {
  tests::on_both_drivers([]() -> Task<> {
    Functions functions;
    functions.emplace_back([] {
      const Pair from;
      const Pair to;
      EXPECT_EQ(Outcome(::sendfile(to.near.get(), from.near.get(), nullptr, 3)), failed(EINVAL));
    });
    co_await together(std::move(functions));
  });
}

// Who asks without waiting until another fiber has done its part does not keep it from doing that.
TEST(HookTurns, AskingAgainAndAgainLetsOthersRun) {
  tests::on_both_drivers([]() -> Task<> {
    const std::vector<std::function<bool(int)>> asks = {
        [](int descriptor) {
          pollfd asked{.fd = descriptor, .events = POLLIN, .revents = 0};
          return ::poll(&asked, 1, 0) == 1;
        },
        [](int descriptor) {
          char byte = 0;
          return ::recv(descriptor, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
        },
        [](int descriptor) {
          fd_set readers;
          FD_ZERO(&readers);
          FD_SET(descriptor, &readers);
          timeval limit{};
          return ::select(descriptor + 1, &readers, nullptr, nullptr, &limit) == 1;
        },
        [](int descriptor) {
          char byte = 0;
          ::fcntl(descriptor, F_SETFL, O_NONBLOCK);
          return ::read(descriptor, &byte, 1) == 1;
        }};
    for (const auto& ask : asks) {
      Pair pair;
      Functions functions;
      functions.emplace_back([&] {
        while (!ask(pair.near.get())) continue;
      });
      functions.emplace_back([&] { ::send(pair.far.get(), "x", 1, 0); });
      co_await together(std::move(functions));
    }
  });
}

// poll() takes an unconnected socket for ready although the one that it sends to is full.
TEST(HookTurns, WaitsThatEndAtOnceInVainTakeTime) {
  tests::on_real_drivers([]() -> Task<> {
    const UnixName name;
    const Descriptor full(::socket(AF_UNIX, SOCK_DGRAM, 0));
    const Descriptor sender(::socket(AF_UNIX, SOCK_DGRAM, 0));
    EXPECT_EQ(::bind(full.get(), name.get(), name.size), 0);
    while (::sendto(sender.get(), "x", 1, MSG_DONTWAIT, name.get(), name.size) == 1) continue;
    set_limit(sender.get(), SO_SNDTIMEO, 50ms);
    const auto turns = [] { return Loop::current().record().sequence.load() / 2; };
    const std::uint64_t before = turns();
    Functions functions;
    functions.emplace_back([&] {
      EXPECT_EQ(Outcome(::sendto(sender.get(), "x", 1, 0, name.get(), name.size)), failed(EAGAIN));
    });
    co_await together(std::move(functions));
    EXPECT_LT(turns() - before, 200U);
  });
}

TEST(HookTurns, TheSleepOfC11AndWaitidLetOthersRun) {
  tests::on_both_drivers([]() -> Task<> {
    std::string order;
    Functions functions;
    functions.emplace_back([&] {
      const timespec length{.tv_sec = 0, .tv_nsec = 3'000'000};
      order += "s";
      EXPECT_EQ(::thrd_sleep(&length, nullptr), 0);
      order += "S";
    });
    functions.emplace_back([&] { order += "o"; });
    co_await together(std::move(functions));
    EXPECT_EQ(order, "soS");
  });
  tests::on_real_drivers([]() -> Task<> {
    Pipe pipe;
    const pid_t child = ::fork();
    if (child == 0) {
      char byte = 0;
      pipe.in.reset();
      ::_exit(::read(pipe.out.get(), &byte, 1) == 1 ? 3 : 4);
    }
    bool waiting = true;
    Functions functions;
    functions.emplace_back([&] {
      siginfo_t information{};
      EXPECT_EQ(Outcome(::waitid(P_PID, static_cast<id_t>(child), &information, WEXITED)), gave(0));
      EXPECT_EQ(information.si_pid, child);
      EXPECT_EQ(information.si_status, 3);
      waiting = false;
    });
    functions.emplace_back([&] {
      pause(2ms);
      EXPECT_TRUE(waiting);
      ::write(pipe.in.get(), "x", 1);
    });
    co_await together(std::move(functions));
  });
}

// A robust mutex whose owner has ended is locked by the call that says so.
TEST(HookTurns, AMutexOfADeadThreadKeepsFibersApart) {
  if (tests::with_tsan) GTEST_SKIP() << "it takes the dead thread's mutex for a mistake";
  tests::on_real_drivers([]() -> Task<> {
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_t mutex;
    ::pthread_mutex_init(&mutex, &attributes);
    const auto lock_and_end = [&] { std::thread([&] { ::pthread_mutex_lock(&mutex); }).join(); };
    co_await fiber::run(lock_and_end);
    const tests::Logged logged;
    std::string order;
    Functions functions;
    functions.emplace_back([&] {
      EXPECT_EQ(::pthread_mutex_lock(&mutex), EOWNERDEAD);
      ::pthread_mutex_consistent(&mutex);
      pause(3ms);
      order += "1";
      ::pthread_mutex_unlock(&mutex);
    });
    functions.emplace_back([&] {
      EXPECT_EQ(::pthread_mutex_lock(&mutex), 0);
      order += "2";
      ::pthread_mutex_unlock(&mutex);
    });
    co_await together(std::move(functions));
    EXPECT_EQ(order, "12");
    ::pthread_mutex_destroy(&mutex);
  });
}

// The hooks are in every thread of the program: pthread_cancel() unwinds through them.
TEST(HookThread, IsCancelledInsideACall) {
  if (tests::with_tsan) GTEST_SKIP() << "it does not unwind cancelled threads";
  static int listener = -1;
  const Descriptor owner(::socket(AF_UNIX, SOCK_STREAM, 0));
  const UnixName name;
  ASSERT_EQ(::bind(owner.get(), name.get(), name.size), 0);
  ASSERT_EQ(::listen(owner.get(), 1), 0);
  listener = owner.get();
  using Body = void* (*)(void*);
  const std::vector<Body> bodies = {[](void*) -> void* {
                                      ::accept(listener, nullptr, nullptr);
                                      return nullptr;
                                    },
                                    [](void*) -> void* {
                                      for (;;) ::wait4(-1, nullptr, 0, nullptr);
                                    },
                                    [](void*) -> void* {
                                      for (;;) ::usleep(1'000);
                                    }};
  for (const Body body : bodies) {
    pthread_t thread{};
    ASSERT_EQ(::pthread_create(&thread, nullptr, body, nullptr), 0);
    ASSERT_EQ(::pthread_cancel(thread), 0);
    void* result = nullptr;
    ASSERT_EQ(::pthread_join(thread, &result), 0);
    EXPECT_EQ(result, PTHREAD_CANCELED);
  }
}

}  // namespace
}  // namespace clearway
