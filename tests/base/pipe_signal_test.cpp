// A write that nobody reads any more does not end the program.

#include <cerrno>
#include <csignal>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/base/pipe_signal.hpp>

namespace clearway {
namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    reads = Descriptor(ends[0]);
    writes = Descriptor(ends[1]);
  }
  Descriptor reads;
  Descriptor writes;
};

bool is_blocked() {
  sigset_t blocked;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  return ::sigismember(&blocked, SIGPIPE) == 1;
}

TEST(PipeSignal, AFailedWriteRaisesNone) {
  Pipe pipe;
  pipe.reads = Descriptor();
  EXPECT_EQ(without_pipe_signal([&] { return ::write(pipe.writes.get(), "x", 1); }), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_FALSE(is_blocked());
}

// The kernel raises the signal although the call gives what had been written.
TEST(PipeSignal, AWriteThatIsCutShortRaisesNone) {
  Pipe pipe;
  const std::vector<char> data(1'000'000);
  std::thread reader([&] {
    for (int before = -1, unread = 0; unread == 0 || unread != before;) {
      before = unread;
      std::this_thread::yield();
      ::ioctl(pipe.reads.get(), FIONREAD, &unread);
    }
    pipe.reads = Descriptor();
  });
  const auto written =
      without_pipe_signal([&] { return ::write(pipe.writes.get(), data.data(), data.size()); });
  reader.join();
  EXPECT_GT(written, 0);
  EXPECT_LT(written, static_cast<ssize_t>(data.size()));
  EXPECT_FALSE(is_blocked());
}

TEST(PipeSignal, WhoeverBlockedItBeforeKeepsIt) {
  sigset_t signal;
  sigset_t before;
  ::sigemptyset(&signal);
  ::sigaddset(&signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &signal, &before);
  Pipe pipe;
  pipe.reads = Descriptor();
  EXPECT_EQ(without_pipe_signal([&] { return ::write(pipe.writes.get(), "x", 1); }), -1);
  EXPECT_TRUE(is_blocked());
  constexpr timespec at_once{};
  EXPECT_EQ(::sigtimedwait(&signal, nullptr, &at_once), SIGPIPE);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace clearway
