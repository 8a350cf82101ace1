// What goes wrong with hooks and fibers elsewhere.

#include <csignal>
#include <mutex>
#include <thread>

#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <clearway/task/sync.hpp>

#include "hooks_world.hpp"

namespace clearway {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::failed;
using tests::gave;
using tests::Logged;
using tests::Outcome;
using tests::Pair;
using tests::pause;
using tests::together;

// Hooks that make descriptors non-blocking behind their owner's back fail here with EAGAIN: libc's
// streams do not call through the hooks. Ours stops the thread, which is why the line comes from
// another one.
TEST(HookPitfalls, FgetsOnAFibersSocketIsRight) {
  tests::on_real_drivers([]() -> Task<> {
    const auto body = [] {
      Pair pair;
      char byte = 0;
      ::send(pair.far.get(), "a", 1, 0);
      EXPECT_EQ(::recv(pair.near.get(), &byte, 1, 0), 1);  // as a fiber's
      std::FILE* const stream = ::fdopen(pair.near.release(), "r");
      std::thread writer([&] { ::send(pair.far.get(), "line\n", 5, 0); });
      char line[16] = {};
      EXPECT_NE(std::fgets(line, sizeof line, stream), nullptr);
      EXPECT_STREQ(line, "line\n");
      writer.join();
      std::fclose(stream);
    };
    co_await fiber::run(body);
  });
}

std::string rethrow_after_receiving(int descriptor, const std::string& text) {
  try {
    try {
      throw std::runtime_error(text);
    } catch (const std::exception&) {
      char byte = 0;
      ::recv(descriptor, &byte, 1, 0);
      throw;
    }
  } catch (const std::exception& error) {
    return error.what();
  }
}

TEST(HookPitfalls, RethrowInsideCatchAcrossAWait) {
  tests::on_both_drivers([]() -> Task<> {
    Pair first;
    Pair second;
    std::vector<std::string> caught;
    std::vector<std::function<void()>> functions;
    functions.emplace_back(
        [&] { caught.push_back(rethrow_after_receiving(first.near.get(), "first")); });
    functions.emplace_back(
        [&] { caught.push_back(rethrow_after_receiving(second.near.get(), "second")); });
    functions.emplace_back([&] {
      pause(1ms);
      ::send(first.far.get(), "x", 1, 0);
      pause(1ms);
      ::send(second.far.get(), "x", 1, 0);
    });
    co_await together(std::move(functions));
    EXPECT_THAT(caught, ElementsAre("first", "second"));
  });
}

TEST(HookPitfalls, ErrnoIsTheFibersOwn) {
  tests::on_both_drivers([]() -> Task<> {
    std::vector<std::function<void()>> functions;
    for (const int number : {1, 2}) {
      functions.emplace_back([number] {
        errno = number;
        ::poll(nullptr, 0, 3 - number);
        EXPECT_EQ(errno, number);
      });
    }
    co_await together(std::move(functions));
  });
}

// Both fibers are the same thread to the mutex, which would let the second in.
TEST(HookPitfalls, ARecursiveMutexKeepsFibersApart) {
  sim::run({}, []() -> Task<> {
    const Logged logged;
    std::recursive_mutex mutex;
    int inside = 0;
    int most = 0;
    std::vector<std::function<void()>> functions;
    for (int number = 0; number < 3; ++number) {
      functions.emplace_back([&] {
        const std::lock_guard outer(mutex);
        const std::lock_guard inner(mutex);
        most = std::max(most, ++inside);
        ::poll(nullptr, 0, 5);
        --inside;
      });
    }
    co_await together(std::move(functions));
    EXPECT_EQ(most, 1);
  });
}

TEST(HookPitfalls, AMutexHeldWhileWaitingIsReportedWithItsPlace) {
  sim::run({}, []() -> Task<> {
    const Logged logged;
    // Not std::mutex, whose lock() is one place for all tests where nothing is inlined.
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    std::vector<std::function<void()>> functions;
    for (int number = 0; number < 3; ++number) {
      functions.emplace_back([&] {
        // Without the hooks the second fiber would stop the thread for ever.
        ::pthread_mutex_lock(&mutex);
        ::poll(nullptr, 0, 5);
        ::pthread_mutex_unlock(&mutex);
      });
    }
    co_await together(std::move(functions));
    EXPECT_THAT(Logged::lines(), ElementsAre(HasSubstr("waits in poll() with a mutex held")));
    if (!Logged::lines().empty()) {
      EXPECT_THAT(Logged::lines()[0], HasSubstr("locked in test_fiber_hooks"));
      EXPECT_THAT(Logged::lines()[0], HasSubstr("\"fiber\" at"));
    }
  });
}

// curl's resolver with a dead name server: the thread takes its time, and the loop goes on.
TEST(HookPitfalls, JoiningAThreadLetsOthersRun) {
  tests::on_real_drivers([]() -> Task<> {
    Pair pair;
    std::string order;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      std::thread resolver([&] {
        char byte = 0;
        ::recv(pair.near.get(), &byte, 1, 0);  // a hook on somebody else's thread
      });
      resolver.join();
      order += "joined";
    });
    functions.emplace_back([&] {
      pause(2ms);
      order += "ticked ";
      ::send(pair.far.get(), "x", 1, 0);
    });
    co_await together(std::move(functions));
    EXPECT_EQ(order, "ticked joined");
  });
}

TEST(HookPitfalls, AChildOfForkBlocksLikeAnyProcess) {
  tests::on_real_drivers([]() -> Task<> {
    const auto body = [] {
      Pair pair;
      const pid_t child = ::fork();
      if (child == 0) {
        char byte = 0;
        const bool right = ::recv(pair.near.get(), &byte, 1, 0) == 1 && !fiber::hooks_in_force();
        ::close(pair.near.release());
        ::_exit(right || byte == 'x' ? 3 : 4);
      }
      pause(2ms);
      ::send(pair.far.get(), "x", 1, 0);
      int status = 0;
      EXPECT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_EQ(WEXITSTATUS(status), 3);
      // And the parent's loop has lost nothing.
      pollfd one{pair.far.get(), POLLIN, 0};
      EXPECT_EQ(Outcome(::poll(&one, 1, 2)), gave(0));
    };
    co_await fiber::run(body);
  });
}

// Signals interrupt a thread's calls; a fiber's are the loop's business, as with SA_RESTART.
TEST(HookPitfalls, ASignalDoesNotEndTheCall) {
  tests::on_real_drivers([]() -> Task<> {
    struct sigaction action{};
    struct sigaction before{};
    action.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &action, &before);
    Pair pair;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      char byte = 0;
      EXPECT_EQ(Outcome(::recv(pair.near.get(), &byte, 1, 0)), gave(1));
    });
    functions.emplace_back([&] {
      pause(1ms);
      ::pthread_kill(::pthread_self(), SIGUSR1);
      pause(1ms);
      ::send(pair.far.get(), "x", 1, 0);
    });
    co_await together(std::move(functions));
    ::sigaction(SIGUSR1, &before, nullptr);
  });
}

// A library that takes ECANCELED for a reason to try again, for ever.
TEST(HookPitfalls, AStubbornLibraryIsReportedAndSlowedDown) {
  sim::run({}, []() -> Task<> {
    const Logged logged;
    const Instant start = loop_time();
    int refused = 0;
    const auto stubborn = [&] {
      Pair pair;
      char byte = 0;
      while (loop_time() - start < 10s) {
        EXPECT_EQ(Outcome(::recv(pair.near.get(), &byte, 1, 0)), failed(ECANCELED));
        ++refused;
      }
    };
    const auto outcome = co_await move_on_after(1ms, fiber::run(stubborn));
    EXPECT_FALSE(outcome.has_value());
    EXPECT_GT(refused, 500);
    EXPECT_LT(refused, 700);
    EXPECT_THAT(Logged::lines(), ElementsAre(HasSubstr("recv() the last")));
  });
}

// A busy fiber leaves time for the others although none of its calls has to wait.
TEST(HookPitfalls, ABusyFiberDoesNotStarveTheLoop) {
  tests::on_both_drivers(
      []() -> Task<> {
        Pair pair;
        bool done = false;
        int ticks = 0;
        std::vector<std::function<void()>> functions;
        functions.emplace_back([&] {
          char byte = 0;
          for (int count = 0; count < 20'000; ++count) {
            ::send(pair.far.get(), "x", 1, 0);
            ::recv(pair.near.get(), &byte, 1, 0);
          }
          done = true;
        });
        functions.emplace_back([&] {
          while (!done) {
            fiber::await(yield());
            ++ticks;
          }
        });
        co_await together(std::move(functions));
        EXPECT_GT(ticks, 5);
      },
      3);
}

// Two loops whose fibers close descriptors as fast as they can, with waits in the same buckets.
TEST(HookPitfalls, LoopsThatCloseDescriptorsDoNotStopOneAnother) {
  const auto churn = [] {
    run([]() -> Task<> {
      const auto body = [](int) {
        for (int count = 0; count < 50; ++count) {
          Pair pair;
          ::poll(nullptr, 0, 0);
          pollfd one{pair.near.get(), POLLIN, 0};
          ::poll(&one, 1, 1);
        }
      };
      const auto on_fiber = [&](int number) { return fiber::run(body, number); };
      const auto range = std::views::iota(0, 30);
      co_await gather(range, on_fiber);
    }());
  };
  std::thread other(churn);
  churn();
  other.join();
}

}  // namespace
}  // namespace clearway
