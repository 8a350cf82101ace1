// What a program does around its fibers: fork before there are any, hold mutexes over an await,
// close descriptors elsewhere, sleep for ever, ask tasks for whole messages.

#include <climits>
#include <mutex>
#include <thread>

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <clearway/task/timeout.hpp>

#include "hooks_world.hpp"

namespace clearway {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using tests::gave;
using tests::Logged;
using tests::Outcome;
using tests::Pair;
using tests::pause;
using tests::together;

// Braced lists in a co_await are what g++ 12 gets wrong.
template <class... F>
std::vector<std::function<void()>> all_of(const F&... functions) {
  std::vector<std::function<void()>> all;
  (all.emplace_back(functions), ...);
  return all;
}

// A daemon forks first and runs its loop in the child.
TEST(HookSurroundings, AForkBeforeTheLoopChangesNothing) {
  if (tests::with_tsan) GTEST_SKIP() << "it does not follow fibers in children";
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 4;
    sim::run({}, [&]() -> Task<> {
      const Instant start = loop_time();
      const auto doze = [] { ::poll(nullptr, 0, 200); };
      co_await together(all_of(doze, doze));
      if (loop_time() - start >= 200ms && loop_time() - start < 250ms) status = 3;
    });
    ::_exit(status);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 3);
}

TEST(HookSurroundings, AMutexHeldOverAnAwaitKeepsOthersOut) {
  sim::run({}, []() -> Task<> {
    const Logged logged;
    std::mutex mutex;
    int inside = 0;
    int most = 0;
    const auto body = [&] {
      const std::lock_guard guard(mutex);
      most = std::max(most, ++inside);
      fiber::await(sleep(5ms));
      --inside;
    };
    co_await together(all_of(body, body, body));
    EXPECT_EQ(most, 1);
    EXPECT_THAT(Logged::lines(),
                ::testing::ElementsAre(HasSubstr("waits in fiber::await() with a mutex held")));
  });
}

// Who waits for one mutex may hold another.
TEST(HookSurroundings, AMutexHeldWhileWaitingForOneKeepsOthersOut) {
  sim::run({}, []() -> Task<> {
    const Logged logged;
    std::mutex first;
    std::mutex second;
    std::string order;
    const auto holds_second = [&] {
      const std::lock_guard guard(second);
      ::poll(nullptr, 0, 20);
      order += 'a';
    };
    const auto holds_first = [&] {
      ::poll(nullptr, 0, 5);
      const std::lock_guard guard(first);
      const std::lock_guard waits(second);
      order += 'b';
    };
    const auto wants_first = [&] {
      ::poll(nullptr, 0, 10);
      const std::lock_guard guard(first);
      order += 'c';
    };
    co_await together(all_of(holds_second, holds_first, wants_first));
    EXPECT_EQ(order, "abc");
  });
}

// The kernel forgets a closed descriptor without a word; its number is the next one's.
TEST(HookSurroundings, ANumberThatIsUsedAgainIsWaitedForAnew) {
  tests::on_real_drivers([]() -> Task<> {
    std::optional<Pair> first(std::in_place);
    const int number = first->near.get();
    const auto waits = [&] {
      char byte = 0;
      EXPECT_EQ(::recv(number, &byte, 1, 0), -1);
      EXPECT_EQ(errno, EBADF);
    };
    const auto replaces = [&] {
      pause(2ms);
      std::thread closer([&] { ::close(first->near.release()); });
      closer.join();
      Pair second;
      ASSERT_EQ(second.near.get(), number);
      ::send(second.far.get(), "x", 1, 0);
      char byte = 0;
      pause(2ms);
      EXPECT_EQ(Outcome(::recv(second.near.get(), &byte, 1, 0)), gave(1));
    };
    co_await together(all_of(waits, replaces));
  });
}

TEST(HookSurroundings, ForEverIsLong) {
  sim::run({}, []() -> Task<> {
    const auto sleeps = [] {
      const timespec length{.tv_sec = LONG_MAX, .tv_nsec = 0};
      ::nanosleep(&length, nullptr);
    };
    const auto polls = [] {
      const timespec length{.tv_sec = LONG_MAX, .tv_nsec = 0};
      ::ppoll(nullptr, 0, &length, nullptr);
    };
    const auto selects = [] {
      timeval length{.tv_sec = LONG_MAX, .tv_usec = 0};
      ::select(0, nullptr, nullptr, nullptr, &length);
    };
    const auto bodies = all_of(sleeps, polls, selects);
    for (const std::function<void()>& body : bodies) {
      const Instant start = loop_time();
      bool in_time = true;
      const auto run_body = [&]() -> Task<> { co_await fiber::run(std::ref(body)); };
      try {
        co_await timeout(10s, run_body());
      } catch (const TimedOut&) {
        in_time = false;
      }
      EXPECT_FALSE(in_time);
      EXPECT_EQ(loop_time() - start, Duration(10s));
    }
  });
}

Task<> whole_messages() {
  const Logged logged;
  Pair pair;
  ::send(pair.far.get(), "abcdef", 6, 0);
  char data[7] = {};
  EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 6, MSG_WAITALL)), gave(6));
  EXPECT_THAT(Logged::lines(), ::testing::IsEmpty()) << "it was all there";
  ::send(pair.far.get(), "gh", 2, 0);
  std::thread rest([&] {
    // The kernel has taken what there was, and waits for the rest.
    for (int unread = 2; unread > 0;) ::ioctl(pair.near.get(), FIONREAD, &unread);
    ::send(pair.far.get(), "ijkl", 4, 0);
  });
  EXPECT_EQ(Outcome(::recv(pair.near.get(), data, 6, MSG_WAITALL)), gave(6));
  EXPECT_STREQ(data, "ghijkl");
  EXPECT_THAT(Logged::lines(), ::testing::ElementsAre(HasSubstr("recv() blocks the loop")));
  const fiber::AllowBlocking here;
  rest.join();
  co_return;
}

TEST(HookSurroundings, ATaskThatAsksForAWholeMessageGetsIt) {
  fiber::set_blocking(fiber::Blocking::warn);
  // A thread that has had a ring of io_uring, as other tests' here, is interrupted when the kernel
  // has taken it down, a while later; and recv() then gives what it has.
  std::thread([] { run(whole_messages()); }).join();
}

TEST(HookSurroundings, ACommandHasItsCallersSignals) {
  tests::on_real_drivers([]() -> Task<> {
    const auto body = [] {
      FILE* stream = ::popen("exec grep SigBlk /proc/self/status", "r");
      char line[64] = {};
      ASSERT_NE(::fgets(line, sizeof line, stream), nullptr);
      ::pclose(stream);
      EXPECT_STREQ(line, "SigBlk:\t0000000000000000\n");
      EXPECT_EQ(::system("exec grep -q 'SigBlk:.*0000000000000000' /proc/self/status"), 0);
    };
    co_await fiber::run(body);
  });
}

}  // namespace
}  // namespace clearway
