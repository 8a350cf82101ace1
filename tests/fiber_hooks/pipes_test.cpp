// Pipes on fibers: what a thread may rely on.

#include <climits>

#include <poll.h>
#include <sys/uio.h>
#include <clearway/task/timeout.hpp>

#include "hooks_world.hpp"

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::failed;
using tests::gave;
using tests::Outcome;
using tests::Pair;
using tests::Pipe;
using tests::together;

// A call that waits for ever is cancelled, and then gives ECANCELED.
Task<> within_a_second(std::function<void()> body) {
  const auto outcome = co_await move_on_after(1s, fiber::run(std::ref(body)));
  EXPECT_TRUE(outcome.has_value());
}

// pipe(7): what is no larger than PIPE_BUF is never mixed with what others write.
TEST(HookPipes, SmallWritesAreNotMixed) {
  tests::on_both_drivers(
      []() -> Task<> {
        constexpr int each = 100;
        constexpr std::size_t size = PIPE_BUF;
        Pipe pipe;
        int writing = 3;
        std::vector<std::function<void()>> functions;
        for (const char letter : {'a', 'b', 'c'}) {
          functions.emplace_back([&, letter] {
            std::string text(size, letter);
            iovec pieces[3] = {{text.data(), 3'000}, {text.data(), 0}, {text.data(), size - 3'000}};
            for (int count = 0; count < each; ++count) {
              EXPECT_EQ(Outcome(::writev(pipe.in.get(), pieces, 3)), gave(size));
            }
            if (--writing == 0) pipe.in.reset();
          });
        }
        std::string received;
        functions.emplace_back([&] {
          char data[4'096];
          for (;;) {
            const ssize_t count = ::read(pipe.out.get(), data, sizeof data);
            if (count <= 0) break;
            received.append(data, static_cast<std::size_t>(count));
          }
        });
        co_await together(std::move(functions));
        EXPECT_EQ(received.size(), 3 * each * size);
        int mixed = 0;
        for (std::size_t at = 0; at < received.size(); at += size) {
          const std::string message = received.substr(at, size);
          mixed += message.find_first_not_of(message[0]) != std::string::npos;
        }
        EXPECT_EQ(mixed, 0);
      },
      3);
}

TEST(HookPipes, EmptyPiecesAreNothing) {
  sim::run({}, []() -> Task<> {
    co_await within_a_second([] {
      Pipe pipe;
      char text[] = "abc";
      const iovec pieces[3] = {{text, 0}, {text, 3}, {text, 0}};
      EXPECT_EQ(Outcome(::writev(pipe.in.get(), pieces, 3)), gave(3));
      EXPECT_EQ(Outcome(::writev(pipe.in.get(), pieces, 1)), gave(0));
      char data[4] = {};
      const iovec parts[2] = {{data, 0}, {data, 4}};
      EXPECT_EQ(Outcome(::readv(pipe.out.get(), parts, 2)), gave(3));
      EXPECT_STREQ(data, "abc");
      EXPECT_EQ(Outcome(::readv(pipe.out.get(), parts, 1)), gave(0));
      Pair pair(SOCK_DGRAM);  // no empty message either
      EXPECT_EQ(Outcome(::readv(pair.near.get(), parts, 1)), gave(0));
      EXPECT_EQ(Outcome(::writev(pair.near.get(), pieces, 1)), gave(0));
      EXPECT_EQ(Outcome(::recv(pair.far.get(), data, 4, MSG_DONTWAIT)), failed(EAGAIN));
    });
  });
}

TEST(HookPipes, TheWrongEndIsAnError) {
  const auto body = [] {
    Pipe pipe;
    char byte = 0;
    const iovec piece{&byte, 1};
    EXPECT_EQ(Outcome(::read(pipe.in.get(), &byte, 1)), failed(EBADF));
    EXPECT_EQ(Outcome(::readv(pipe.in.get(), &piece, 1)), failed(EBADF));
    EXPECT_EQ(Outcome(::write(pipe.out.get(), "x", 1)), failed(EBADF));
    EXPECT_EQ(Outcome(::writev(pipe.out.get(), &piece, 1)), failed(EBADF));
    const std::string large(100'000, 'x');
    EXPECT_EQ(Outcome(::write(pipe.out.get(), large.data(), large.size())), failed(EBADF));
  };
  sim::run({}, [&]() -> Task<> {
    co_await within_a_second(body);
    body();  // and in a task
  });
}

TEST(HookPipes, ANonBlockingOneTakesWhatThereIsRoomFor) {
  sim::run({}, []() -> Task<> {
    co_await within_a_second([] {
      Pipe pipe;
      ::fcntl(pipe.in.get(), F_SETFL, O_WRONLY | O_NONBLOCK);
      const std::string text(300'000, 'p');
      const long room = ::fcntl(pipe.in.get(), F_GETPIPE_SZ);
      EXPECT_EQ(Outcome(::write(pipe.in.get(), text.data(), 20'000)), gave(20'000));
      const ssize_t more = ::write(pipe.in.get(), text.data(), text.size());
      EXPECT_GE(more, room - 20'000 - PIPE_BUF);
      EXPECT_LT(more, room);
      EXPECT_EQ(Outcome(::write(pipe.in.get(), text.data(), PIPE_BUF)), failed(EAGAIN));
    });
  });
}

// A terminal, an event counter and a timer are no pipes, and wait as well.
TEST(HookPipes, NorDoOthersGetMixedUp) {
  tests::on_both_drivers([]() -> Task<> {
    Pipe pipe;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      char data[8] = {};
      const iovec pieces[2] = {{data, 2}, {data + 2, 2}};
      EXPECT_EQ(Outcome(::readv(pipe.out.get(), pieces, 2)), gave(4));
      EXPECT_STREQ(data, "four");
      EXPECT_EQ(Outcome(::read(pipe.out.get(), data, 8)), gave(0));
    });
    functions.emplace_back([&] {
      tests::pause(1ms);
      EXPECT_EQ(Outcome(::write(pipe.in.get(), "four", 4)), gave(4));
      tests::pause(1ms);
      pipe.in.reset();
    });
    co_await together(std::move(functions));
  });
}

}  // namespace
}  // namespace clearway
