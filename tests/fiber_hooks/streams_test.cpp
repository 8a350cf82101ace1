// recv, send, read, write and their relatives on fibers: as on threads.

#include <poll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

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
using tests::together;

TEST(Hooks, AreInForce) { EXPECT_TRUE(fiber::hooks_in_force()); }

TEST(Hooks, ABlockedReceiveLetsOthersRun) {
  tests::on_both_drivers([]() -> Task<> {
    Pair pair;
    std::string order;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      char data[8] = {};
      order += "r";
      EXPECT_EQ(Outcome(::recv(pair.near.get(), data, sizeof data, 0)), gave(5));
      EXPECT_STREQ(data, "hello");
      order += "R";
    });
    functions.emplace_back([&] {
      order += "s";
      pause(2ms);
      EXPECT_EQ(Outcome(::send(pair.far.get(), "hello", 5, 0)), gave(5));
      order += "S";
    });
    co_await together(std::move(functions));
    EXPECT_EQ(order, "rsSR");
  });
}

// Every way to read, each on its own fiber, all at once.
TEST(Hooks, EveryWayToReadWaits) {
  tests::on_both_drivers([]() -> Task<> {
    using Read = std::function<long(int, char*)>;
    const std::vector<Read> reads = {
        [](int from, char* into) { return ::read(from, into, 4); },
        [](int from, char* into) {
          const iovec pieces[2] = {{into, 2}, {into + 2, 2}};
          return ::readv(from, pieces, 2);
        },
        [](int from, char* into) { return ::recv(from, into, 4, 0); },
        [](int from, char* into) { return ::recvfrom(from, into, 4, 0, nullptr, nullptr); },
        [](int from, char* into) {
          iovec piece{into, 4};
          msghdr message{};
          message.msg_iov = &piece;
          message.msg_iovlen = 1;
          return ::recvmsg(from, &message, 0);
        },
        [](int from, char* into) {
          iovec piece{into, 4};
          mmsghdr message{};
          message.msg_hdr.msg_iov = &piece;
          message.msg_hdr.msg_iovlen = 1;
          return ::recvmmsg(from, &message, 1, 0, nullptr) == 1 ? static_cast<long>(message.msg_len)
                                                                : -1L;
        },
    };
    std::vector<Pair> pairs(reads.size());
    std::vector<std::function<void()>> functions;
    for (std::size_t index = 0; index < reads.size(); ++index) {
      functions.emplace_back([&, index] {
        char data[5] = {};
        EXPECT_EQ(Outcome(reads[index](pairs[index].near.get(), data)), gave(4)) << index;
        EXPECT_STREQ(data, "four") << index;
      });
    }
    functions.emplace_back([&] {
      pause(1ms);
      for (Pair& pair : pairs) EXPECT_EQ(Outcome(::write(pair.far.get(), "four", 4)), gave(4));
    });
    co_await together(std::move(functions));
  });
}

constexpr std::size_t large = 2'000'000;

// Every way to write goes on until all is sent, though the socket takes a part at a time.
TEST(Hooks, EveryWayToWriteSendsEverything) {
  using Write = std::function<long(int, char*)>;
  const std::vector<Write> writes = {
      [](int to, char* data) { return ::write(to, data, large); },
      [](int to, char* data) {
        const iovec pieces[2] = {{data, 7}, {data + 7, large - 7}};
        return ::writev(to, pieces, 2);
      },
      [](int to, char* data) { return ::send(to, data, large, MSG_NOSIGNAL); },
      [](int to, char* data) { return ::sendto(to, data, large, 0, nullptr, 0); },
      [](int to, char* data) {
        iovec pieces[2] = {{data, large / 2}, {data + large / 2, large - large / 2}};
        msghdr message{};
        message.msg_iov = pieces;
        message.msg_iovlen = 2;
        return ::sendmsg(to, &message, 0);
      },
  };
  for (std::size_t index = 0; index < writes.size(); ++index) {
    tests::on_both_drivers(
        [&]() -> Task<> {
          Pair pair;
          std::string text(large, 'x');
          for (std::size_t at = 0; at < large; at += 1000) text[at] = static_cast<char>(at / 1000);
          std::string received;
          std::vector<std::function<void()>> functions;
          functions.emplace_back([&] {
            EXPECT_EQ(Outcome(writes[index](pair.near.get(), text.data())), gave(large)) << index;
            pair.near.reset();
          });
          functions.emplace_back([&] {
            std::vector<char> data(50'000);
            for (;;) {
              const ssize_t count = ::read(pair.far.get(), data.data(), data.size());
              if (count <= 0) break;
              received.append(data.data(), static_cast<std::size_t>(count));
            }
          });
          co_await together(std::move(functions));
          EXPECT_TRUE(received == text) << index;
        },
        2);
  }
}

TEST(Hooks, PipesWait) {
  tests::on_both_drivers([]() -> Task<> {
    Pipe pipe;
    const std::string text(300'000, 'p');
    std::string received;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      std::vector<char> data(10'000);
      for (;;) {
        const ssize_t count = ::read(pipe.out.get(), data.data(), data.size());
        if (count <= 0) break;
        received.append(data.data(), static_cast<std::size_t>(count));
      }
    });
    functions.emplace_back([&] {
      pause(1ms);
      EXPECT_EQ(Outcome(::write(pipe.in.get(), text.data(), text.size())), gave(300'000));
      pipe.in.reset();
    });
    co_await together(std::move(functions));
    EXPECT_TRUE(received == text);
  });
}

TEST(Hooks, WaitAllWaitsForAll) {
  tests::on_both_drivers([]() -> Task<> {
    Pair pair;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      char data[7] = {};
      EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 6, MSG_WAITALL)), gave(6));
      EXPECT_STREQ(data, "abcdef");
      // The end of the stream ends it too.
      EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 6, MSG_WAITALL)), gave(2));
    });
    functions.emplace_back([&] {
      for (const char* part : {"ab", "cd", "ef", "gh"}) {
        pause(1ms);
        ::send(pair.far.get(), part, 2, 0);
      }
      ::shutdown(pair.far.get(), SHUT_WR);
    });
    co_await together(std::move(functions));
  });
}

TEST(Hooks, TimeoutsOfSocketsHold) {
  tests::on_both_drivers([]() -> Task<> {
    Pair pair;
    const timeval limit{.tv_sec = 0, .tv_usec = 5'000};
    ::setsockopt(pair.near.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(pair.near.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const auto body = [&] {
      char data[8];
      const Instant start = clearway::loop_time();
      EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 8, 0)), failed(EAGAIN));
      EXPECT_GE(loop_time() - start, 5ms);
      // What was sent before the time was over counts.
      const std::string text(4'000'000, 'x');
      const ssize_t sent = ::send(pair.near.get(), text.data(), text.size(), 0);
      EXPECT_GT(sent, 0);
      EXPECT_LT(sent, 4'000'000);
      EXPECT_EQ(Outcome(::send(pair.near.get(), text.data(), text.size(), 0)), failed(EAGAIN));
    };
    co_await fiber::run(body);
  });
}

TEST(Hooks, ItsOwnersFlagsHold) {
  tests::on_both_drivers([]() -> Task<> {
    const auto body = [] {
      Pair pair;
      char data[8];
      EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 8, MSG_DONTWAIT)), failed(EAGAIN));
      ::fcntl(pair.near.get(), F_SETFL, O_NONBLOCK);
      EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 8, 0)), failed(EAGAIN));
      EXPECT_EQ(Outcome(::read(pair.near.get(), data, 8)), failed(EAGAIN));
      const std::string text(4'000'000, 'x');
      const ssize_t sent = ::send(pair.near.get(), text.data(), text.size(), 0);
      EXPECT_GT(sent, 0);
      EXPECT_LT(sent, 4'000'000);
      EXPECT_EQ(Outcome(::write(pair.near.get(), "x", 1)), failed(EAGAIN));
      Pipe pipe;
      ::fcntl(pipe.out.get(), F_SETFL, O_NONBLOCK);
      EXPECT_EQ(Outcome(::read(pipe.out.get(), data, 8)), failed(EAGAIN));
    };
    co_await fiber::run(body);
  });
}

TEST(Hooks, NobodysFlagsAreChanged) {
  tests::on_both_drivers([]() -> Task<> {
    Pair pair;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      char data[8];
      ::recv(pair.near.get(), data, 8, 0);
    });
    functions.emplace_back([&] {
      pause(1ms);
      EXPECT_EQ(::fcntl(pair.near.get(), F_GETFL) & O_NONBLOCK, 0);
      ::send(pair.far.get(), "x", 1, 0);
    });
    co_await together(std::move(functions));
  });
}

TEST(Hooks, ErrorsAreTheKernels) {
  sim::run({}, []() -> Task<> {
    const auto body = [] {
      char data[8];
      EXPECT_EQ(Outcome(::recv(-1, data, 8, 0)), failed(EBADF));
      EXPECT_EQ(Outcome(::read(9999, data, 8)), failed(EBADF));
      Pipe pipe;
      EXPECT_EQ(Outcome(::recv(pipe.out.get(), data, 8, 0)), failed(ENOTSOCK));
      Pair pair;
      pair.far.reset();
      EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 8, 0)), gave(0));
      EXPECT_EQ(Outcome(::send(pair.near.get(), "x", 1, MSG_NOSIGNAL)), failed(EPIPE));
    };
    co_await fiber::run(body);
  });
}

TEST(Hooks, ClosingWakesWhoWaits) {
  tests::on_both_drivers([]() -> Task<> {
    Pair first;
    Pair second;
    const int number = second.near.get();
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      char data[8];
      EXPECT_EQ(Outcome(::recv(first.near.get(), data, 8, 0)), failed(EBADF));
    });
    functions.emplace_back([&] {
      pollfd both[2] = {{first.near.get(), POLLIN, 0}, {second.near.get(), POLLIN, 0}};
      EXPECT_EQ(Outcome(::poll(both, 2, -1)), failed(EBADF));
    });
    functions.emplace_back([&] {
      char data[8];
      EXPECT_EQ(Outcome(::read(number, data, 8)), failed(EBADF));
    });
    functions.emplace_back([&] {
      pause(1ms);
      ::close(first.near.release());
      ::dup2(second.far.get(), number);
    });
    co_await together(std::move(functions));
  });
}

TEST(Hooks, AnotherThreadsCloseWakesToo) {
  if (tests::with_tsan) GTEST_SKIP() << "it reports what this does";
  tests::on_real_drivers([]() -> Task<> {
    Pair pair;
    const int number = pair.near.release();
    const auto body = [&] {
      char data[8];
      EXPECT_EQ(Outcome(::recv(number, data, 8, 0)), failed(EBADF));
    };
    const auto close_there = [&]() -> Task<> {
      co_await sleep(2ms);
      co_await to_thread(::close, number);
    };
    co_await gather(fiber::run(body), close_there());
  });
}

TEST(Hooks, SendsFiles) {
  sim::run({}, []() -> Task<> {
    std::FILE* const file = std::tmpfile();
    const std::string text(500'000, 'f');
    std::fwrite(text.data(), 1, text.size(), file);
    std::fflush(file);
    Pair pair;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      off_t offset = 100'000;
      EXPECT_EQ(Outcome(::sendfile(pair.near.get(), ::fileno(file), &offset, 1'000'000)),
                gave(400'000));
      EXPECT_EQ(offset, 500'000);
      pair.near.reset();
    });
    std::size_t received = 0;
    functions.emplace_back([&] {
      std::vector<char> data(70'000);
      while (const ssize_t count = ::read(pair.far.get(), data.data(), data.size())) {
        if (count < 0) break;
        received += static_cast<std::size_t>(count);
      }
    });
    co_await together(std::move(functions));
    EXPECT_EQ(received, 400'000U);
    std::fclose(file);
  });
}

}  // namespace
}  // namespace clearway
