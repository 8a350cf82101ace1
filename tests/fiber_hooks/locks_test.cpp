// Locks that are held while a fiber waits: readers and writers, and whoever waits for a while only.

#include <mutex>
#include <shared_mutex>
#include <thread>

#include <poll.h>
#include <pthread.h>
#include <clearway/loop/simulated_driver.hpp>
#include <clearway/task/with_scope.hpp>

#include "hooks_world.hpp"

namespace clearway {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::Logged;
using tests::Pair;
using tests::together;

void wait_a_while() { ::poll(nullptr, 0, 5); }

// glibc tells a thread that writes already of the deadlock, and lets one that reads stop for ever.
TEST(HookLocks, WritersOfOneThreadAreKeptApart) {
  sim::run({}, []() -> Task<> {
    const Logged logged;
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    int inside = 0;
    int most = 0;
    std::vector<std::function<void()>> functions;
    for (int number = 0; number < 3; ++number) {
      functions.emplace_back([&] {
        EXPECT_EQ(::pthread_rwlock_wrlock(&lock), 0);
        most = std::max(most, ++inside);
        wait_a_while();
        --inside;
        ::pthread_rwlock_unlock(&lock);
      });
    }
    co_await together(std::move(functions));
    EXPECT_EQ(most, 1);
    static bool reported = false;  // each place once
    if (std::exchange(reported, true)) co_return;
    EXPECT_THAT(Logged::lines(), ElementsAre(HasSubstr("waits in poll() with a mutex held")));
  });
}

TEST(HookLocks, AWriterWaitsForReadersOfItsThread) {
  sim::run({}, []() -> Task<> {
    const Logged logged;
    std::shared_mutex lock;
    int readers = 0;
    int most = 0;
    std::vector<std::function<void()>> functions;
    for (int number = 0; number < 3; ++number) {
      functions.emplace_back([&] {
        const std::shared_lock guard(lock);
        most = std::max(most, ++readers);
        wait_a_while();
        --readers;
      });
    }
    functions.emplace_back([&] {
      EXPECT_FALSE(lock.try_lock());
      EXPECT_TRUE(lock.try_lock_shared());
      lock.unlock_shared();
      const std::unique_lock guard(lock);
      EXPECT_EQ(readers, 0);
      ++most;
    });
    co_await together(std::move(functions));
    EXPECT_EQ(most, 4) << "readers are in together";
  });
}

TEST(HookLocks, AReaderWaitsForTheWriterOfItsThread) {
  sim::run({}, []() -> Task<> {
    const Logged logged;
    std::shared_mutex lock;
    std::string order;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      const std::unique_lock guard(lock);
      wait_a_while();
      order += 'w';
    });
    functions.emplace_back([&] {
      EXPECT_FALSE(lock.try_lock_shared());
      const std::shared_lock guard(lock);
      order += 'r';
    });
    co_await together(std::move(functions));
    EXPECT_EQ(order, "wr");
  });
}

template <class Mutex>
Task<> nobody_yields_inside() {
  const Logged logged;
  Mutex mutex;
  Pair pair;
  const auto body = [&](int) {
    for (int count = 0; count < 1'000; ++count) {
      const std::unique_lock guard(mutex);
      char byte = 0;
      ::send(pair.far.get(), "x", 1, 0);
      ::recv(pair.near.get(), &byte, 1, 0);
    }
  };
  const auto on_fiber = [&](int number) { return fiber::run(body, number); };
  const auto range = std::views::iota(0, 3);
  co_await gather(range, on_fiber);
  EXPECT_THAT(Logged::lines(), ::testing::IsEmpty());
}

// A fiber that has had its share of the turn goes on while it holds a mutex: the loop's own may be
// one, of which close() and post() write to another loop's descriptor.
TEST(HookLocks, NobodyYieldsInsideALockedMutex) {
  tests::on_real_drivers(nobody_yields_inside<std::mutex>);
}
TEST(HookLocks, NobodyYieldsInsideALockedSharedMutex) {
  tests::on_real_drivers(nobody_yields_inside<std::shared_mutex>);
}

// Two fibers, one of which holds `lock` while the other tries for a while.
template <class Lock>
Task<> hold_and_try() {
  const Logged logged;
  Lock lock;
  bool got = false;
  std::vector<std::function<void()>> functions;
  functions.emplace_back([&] {
    const std::unique_lock guard(lock);
    wait_a_while();
  });
  functions.emplace_back([&] {
    EXPECT_FALSE(lock.try_lock());
    got = lock.try_lock_for(60s);
    if (got) lock.unlock();
  });
  co_await together(std::move(functions));
  EXPECT_TRUE(got) << "what it waited for was on its own thread";

  bool done = false;
  int ticks = 0;
  functions.clear();
  functions.emplace_back([&] {
    const std::unique_lock guard(lock);
    while (!done) ::poll(nullptr, 0, 1);
  });
  functions.emplace_back([&] {
    for (int tries = 0; tries < 100 && ticks < 3; ++tries) EXPECT_FALSE(lock.try_lock_for(5ms));
    done = true;
  });
  functions.emplace_back([&] {
    while (!done) {
      ::poll(nullptr, 0, 1);
      ++ticks;
    }
  });
  co_await together(std::move(functions));
  EXPECT_GT(ticks, 1) << "the loop went on";
}

TEST(HookLocks, WhoWaitsForAWhileGetsItOrGivesUp) {
  tests::on_real_drivers([]() -> Task<> {
    co_await hold_and_try<std::timed_mutex>();
    co_await hold_and_try<std::recursive_timed_mutex>();
    co_await hold_and_try<std::shared_timed_mutex>();
  });
}

// The same by the functions that the C++ library does not call.
TEST(HookLocks, TheRealTimeClocksFunctionsToo) {
  tests::on_real_drivers([]() -> Task<> {
    const Logged logged;
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    const auto in = [](Duration length) {
      timespec until{};
      ::clock_gettime(CLOCK_REALTIME, &until);
      until.tv_nsec += length.count();
      until.tv_sec += until.tv_nsec / 1'000'000'000;
      until.tv_nsec %= 1'000'000'000;
      return until;
    };
    bool tried = false;
    std::vector<std::function<void()>> functions;
    functions.emplace_back([&] {
      EXPECT_EQ(::pthread_rwlock_wrlock(&lock), 0);
      EXPECT_EQ(::pthread_mutex_lock(&mutex), 0);
      while (!tried) ::poll(nullptr, 0, 1);
      ::pthread_mutex_unlock(&mutex);
      ::pthread_rwlock_unlock(&lock);
    });
    functions.emplace_back([&] {
      timespec until = in(2ms);
      EXPECT_EQ(::pthread_rwlock_timedrdlock(&lock, &until), ETIMEDOUT);
      EXPECT_EQ(::pthread_rwlock_timedwrlock(&lock, &until), ETIMEDOUT);
      EXPECT_EQ(::pthread_mutex_timedlock(&mutex, &until), ETIMEDOUT);
      tried = true;
      until = in(60s);
      EXPECT_EQ(::pthread_rwlock_timedrdlock(&lock, &until), 0);
      EXPECT_EQ(::pthread_rwlock_unlock(&lock), 0);
      EXPECT_EQ(::pthread_mutex_timedlock(&mutex, &until), 0);
      EXPECT_EQ(::pthread_mutex_unlock(&mutex), 0);
    });
    co_await together(std::move(functions));
  });
}

// A loop has failed, and what waits on it is destroyed: one fiber before another whose lock it
// waits for. It must not hold up the rest.
TEST(HookLocks, WhoWaitsForTheLockOfAnotherIsDestroyedBeforeIt) {
  const Logged logged;
  std::mutex mutex;
  std::thread([&] {  // with fibers of its own: one of them is lost
    Loop loop(std::make_unique<SimulatedDriver>());
    const auto body = [&](bool waits) {
      const std::lock_guard guard(mutex);
      if (waits) ::poll(nullptr, 0, 1'000);
    };
    const auto task = [&](bool waits) -> Task<> { co_await fiber::run(body, waits); };
    CancelScope scope;
    OwnedFrame<void> holder = task(true).release();
    holder.promise().scope = &scope;
    EXPECT_FALSE(start_inline(holder.promise()));
    OwnedFrame<void> other = task(false).release();
    other.promise().scope = &scope;
    EXPECT_FALSE(start_inline(other.promise()));
    other.destroy();
    holder.destroy();
  })
      .join();
  EXPECT_THAT(Logged::lines(), ::testing::Contains(HasSubstr("its stack is given up")));
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

}  // namespace
}  // namespace clearway
