// Many loops: workers, calls to another loop, and channels between them. The suites' names begin
// with "Thread", so that ThreadSanitizer's run picks them.

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include <clearway/task/channel.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/run_on.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/timeout.hpp>
#include <clearway/task/workers.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;

TEST(ThreadWorkers, EachHasALoopOfItsOwn) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::set<std::size_t> indexes;
  const auto main = [&](Worker worker) -> Task<> {
    EXPECT_EQ(worker.count, 3U);
    co_await sleep(1ms);
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
    indexes.insert(worker.index);
  };
  run(run_workers(3, main));
  EXPECT_EQ(threads.size(), 3U);
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
  EXPECT_EQ(indexes, (std::set<std::size_t>{0, 1, 2}));
}

TEST(ThreadWorkers, TheFirstErrorEndsAll) {
  std::atomic<int> cleaned = 0;
  const auto main = [&](Worker worker) -> Task<> {
    if (worker.index == 1) {
      co_await sleep(1ms);
      throw std::runtime_error("worker 1 is broken");
    }
    const auto clean = [&]() -> Task<> {
      co_await sleep(1ms);
      ++cleaned;
    };
    co_await finally(sleep(1000s), clean);
  };
  try {
    run(run_workers(4, main));
    ADD_FAILURE() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "worker 1 is broken");
  }
  EXPECT_EQ(cleaned, 3);
}

TEST(ThreadWorkers, WhatIsNoStandardExceptionIsAnErrorToo) {
  const auto main = [](Worker worker) -> Task<> {
    co_await sleep(1ms);
    if (worker.index == 1) throw 42;
    co_await sleep(1000s);
  };
  try {
    run(run_workers(2, main));
    ADD_FAILURE() << "no error";
  } catch (int thrown) {
    EXPECT_EQ(thrown, 42);
  }
}

TEST(ThreadWorkers, CancellingReachesThemAll) {
  std::atomic<int> begun = 0;
  std::atomic<int> ended = 0;
  const std::function<Task<>(Worker)> main = [&](Worker) -> Task<> {
    ++begun;
    co_await finally(sleep(1000s), [&]() -> Task<> {
      ++ended;
      co_return;
    });
  };
  // From before they have a loop to about when they all wait.
  for (int round = 0; round < 20; ++round) {
    run([](std::function<Task<>(Worker)> body, int wait) -> Task<> {
      const auto none =
          co_await move_on_after(std::chrono::microseconds(100 * wait), run_workers(3, body));
      EXPECT_FALSE(none.has_value());
    }(main, round));
    EXPECT_EQ(begun, ended);
  }
  begun = ended = 0;
  run([](std::function<Task<>(Worker)> body, std::atomic<int>& count) -> Task<> {
    co_await task_group([&](TaskGroup& group) -> Task<> {
      auto crew = group.start([&] { return run_workers(3, body); });
      while (count < 3) co_await sleep(1ms);
      crew.cancel();
    });
  }(main, begun));
  EXPECT_EQ(ended, 3);
}

TEST(Workers, AreTasksInASimulatedWorld) {
  sim::run_seeds(20, []() -> Task<> {
    int sum = 0;
    co_await run_workers(3, [&](Worker worker) -> Task<> {
      co_await sleep(1h);
      sum += static_cast<int>(worker.index);
    });
    EXPECT_EQ(sum, 3);
  });
}

// A loop in a thread that others may call; ends with its object.
class OtherLoop {
 public:
  OtherLoop() {
    std::atomic<bool> ready = false;
    thread_ = std::thread([&] {
      run([](OtherLoop& self, std::atomic<bool>& flag) -> Task<> {
        Event end;
        self.handle_ = LoopHandle::current();
        self.end_ = &end;
        flag = true;
        co_await end.wait();
      }(*this, ready));
    });
    while (!ready) std::this_thread::yield();
  }
  ~OtherLoop() { end(); }
  void end() {
    if (!thread_.joinable()) return;
    handle_->post([this] { end_->set(); });
    thread_.join();
  }
  [[nodiscard]] LoopHandle handle() const { return *handle_; }
  [[nodiscard]] std::thread::id id() const { return thread_.get_id(); }

 private:
  std::optional<LoopHandle> handle_;
  Event* end_ = nullptr;
  std::thread thread_;
};

TEST(ThreadRunOn, GivesResultsAndErrors) {
  OtherLoop other;
  run([](OtherLoop& there) -> Task<> {
    const auto where = [&]() -> Task<std::thread::id> {
      co_await sleep(1ms);
      co_return std::this_thread::get_id();
    };
    EXPECT_EQ(co_await run_on(there.handle(), where), there.id());
    const auto fail = []() -> Task<int> {
      co_await yield();
      throw std::runtime_error("not here");
    };
    EXPECT_THROW(co_await run_on(there.handle(), fail), std::runtime_error);
    const auto fail_oddly = []() -> Task<> {
      co_await yield();
      throw 42;
    };
    EXPECT_THROW(co_await run_on(there.handle(), fail_oddly), int);
    const auto here = []() -> Task<> { co_await yield(); };
    co_await run_on(LoopHandle::current(), here);
  }(other));
}

TEST(ThreadRunOn, CancellationReachesTheOtherLoop) {
  OtherLoop other;
  for (int step = 0; step < 20; ++step) {
    run([](OtherLoop& there, int wait) -> Task<> {
      std::atomic<int> state = 0;
      const auto long_work = [&]() -> Task<> {
        state = 1;
        co_await finally(sleep(1000s), [&]() -> Task<> {
          state = 2;
          co_return;
        });
      };
      const auto none = co_await move_on_after(std::chrono::microseconds(50 * wait),
                                               run_on(there.handle(), long_work));
      EXPECT_FALSE(none.has_value());
      EXPECT_NE(state, 1);  // it has not begun, or has ended
    }(other, step));
  }
}

TEST(ThreadRunOn, ALoopThatHasEndedSaysSo) {
  OtherLoop other;
  const LoopHandle gone = other.handle();
  other.end();
  run([](LoopHandle handle) -> Task<> {
    EXPECT_THROW(co_await run_on(handle, [] { return sleep(1ms); }), UsageError);
  }(gone));
}

TEST(ThreadChannel, EveryItemArrivesOnce) {
  Channel<int> channel(4);
  std::atomic<long> sum = 0;
  std::atomic<int> received = 0;
  const auto main = [&](Worker worker) -> Task<> {
    constexpr int items = 500;
    if (worker.index < 2) {
      for (int item = 1; item <= items; ++item) co_await channel.send(item);
      co_return;
    }
    while (received < 2 * items) {
      // Cancelled now and then: what was taken is never lost.
      auto item = co_await move_on_after(200us, channel.receive());
      if (!item) continue;
      sum += **item;
      ++received;
    }
  };
  run(run_workers(4, main));
  EXPECT_EQ(received, 1000);
  EXPECT_EQ(sum, 2L * 500 * 501 / 2);
}

TEST(ThreadChannel, ClosingWakesEveryone) {
  Channel<std::string> channel(1);
  std::atomic<int> refused = 0;
  std::atomic<int> ended = 0;
  const auto main = [&](Worker worker) -> Task<> {
    if (worker.index == 0) {
      co_await sleep(5ms);
      channel.close();
    } else if (worker.index == 1) {
      try {
        for (;;) co_await channel.send("x");
      } catch (const QueueClosed&) {
        ++refused;
      }
    } else {
      for (;;) {
        const auto item = co_await channel.receive();
        if (!item) break;
      }
      ++ended;
    }
  };
  run(run_workers(4, main));
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(ended, 2);
}

TEST(ThreadChannel, AnyThreadMaySendWithoutWaiting) {
  Channel<int> channel(2);
  int items[3] = {1, 2, 3};
  std::thread([&] {
    EXPECT_TRUE(channel.try_send(items[0]));
    EXPECT_TRUE(channel.try_send(items[1]));
    EXPECT_FALSE(channel.try_send(items[2]));
  }).join();
  EXPECT_EQ(channel.try_receive(), 1);
  EXPECT_EQ(channel.try_receive(), 2);
  EXPECT_EQ(channel.try_receive(), std::nullopt);
}

// One that was woken, and is cancelled before it has looked, wakes the next.
TEST(Channel, AWakeUpOfACancelledTaskIsPassedOn) {
  sim::run_seeds(50, []() -> Task<> {
    Channel<int> channel(1);
    co_await task_group([&](TaskGroup& group) -> Task<> {
      auto first = group.start([&] { return channel.receive(); });
      co_await sleep(1ms);
      auto second = group.start([&] { return channel.receive(); });
      co_await sleep(1ms);
      int item = 7;
      EXPECT_TRUE(channel.try_send(item));
      first.cancel();
      const auto& got = co_await second;
      EXPECT_EQ(got, 7);
    });
  });
}

TEST(Channel, CancellationExhaustion) {
  sim::exhaust_cancellation([](sim::Stage& stage) -> Task<> {
    Channel<int> channel(1);
    int got = 0;
    const auto send = [&]() -> Task<> {
      for (int item = 1; item <= 3; ++item) co_await channel.send(item);
    };
    const auto receive = [&]() -> Task<> {
      for (int count = 0; count < 3; ++count) {
        const auto item = co_await channel.receive();
        got += item.value_or(0);
      }
    };
    const auto both = [&]() -> Task<> { co_await gather(send(), receive()); };
    auto done = co_await stage.run(both());
    if (done) {
      EXPECT_EQ(got, 6);
      EXPECT_FALSE(channel.try_receive().has_value());
    }
  });
}

}  // namespace
}  // namespace clearway
