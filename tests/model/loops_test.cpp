// What loops and threads do to each other, in every order.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include <gtest/gtest.h>
#include <clearway/clearway.hpp>
#include <clearway/task/channel.hpp>
#include <clearway/task/run_on.hpp>
#include <tests/model/model_driver.hpp>

namespace clearway::model {
namespace {

// Its thread has a clock of its own, and a program that it watches does not repeat itself.
const int without_watchdog = ::setenv("CLEARWAY_SLOW", "off", 1);

void expect_complete(const Outcome& outcome) {
  EXPECT_EQ(outcome.deadlock, "") << "in this order of threads, after " << outcome.orders;
  EXPECT_TRUE(outcome.complete);
  EXPECT_GT(outcome.orders, 50U);
  std::printf("[   NOTE   ] %zu orders\n", outcome.orders);
}

// A loop that another thread posts to.
struct Posted {
  std::optional<LoopHandle> handle;
  std::optional<Event> all;
  std::vector<int> came;
};

template <class DriverType>
Program posts(int count) {
  auto world = std::make_shared<Posted>();
  Program program;
  program.threads.emplace_back([world] {
    const auto serve = [&]() -> Task<> {
      world->all.emplace();
      world->handle = LoopHandle::current();
      point();
      co_await world->all->wait();
    };
    run(serve(), std::make_unique<DriverType>());
  });
  program.threads.emplace_back([world, count] {
    wait_until([&] { return world->handle.has_value(); });
    for (int item = 0; item < count; ++item) {
      world->handle->post([world, item, count] {
        world->came.push_back(item);
        if (static_cast<int>(world->came.size()) == count) world->all->set();
      });
    }
  });
  program.check = [world, count] {
    ASSERT_EQ(static_cast<int>(world->came.size()), count);
    for (int item = 0; item < count; ++item) EXPECT_EQ(world->came[item], item);
  };
  return program;
}

TEST(LoopsModel, NoPostIsLostAndTheOrderIsKept) {
  expect_complete(explore([] { return posts<ModelDriver>(2); }, 4));
}

// The explorer is good for something.
TEST(LoopsModel, ALostWakeUpIsFound) {
  const Outcome outcome = explore([] { return posts<CarelessDriver>(2); }, 2);
  EXPECT_NE(outcome.deadlock, "");
}

TEST(LoopsModel, APostToALoopThatEndsRunsOrIsRefused) {
  struct World {
    std::optional<LoopHandle> handle;
    std::shared_ptr<int> token = std::make_shared<int>(0);
    int ran = 0;
    int accepted = 0;
  };
  expect_complete(explore(
      [] {
        auto world = std::make_shared<World>();
        Program program;
        program.threads.emplace_back([world] {
          const auto serve = [&]() -> Task<> {
            world->handle = LoopHandle::current();
            point();
            co_return;
          };
          run(serve(), std::make_unique<ModelDriver>());
        });
        program.threads.emplace_back([world] {
          wait_until([&] { return world->handle.has_value(); });
          for (int item = 0; item < 2; ++item) {
            if (world->handle->post([world, token = world->token] { ++world->ran; })) {
              ++world->accepted;
            }
          }
        });
        program.check = [world] {
          EXPECT_LE(world->ran, world->accepted);
          world->handle.reset();
          EXPECT_EQ(world->token.use_count(), 1) << "a function is left over";
        };
        return program;
      },
      5));
}

// Items through a channel between two loops.
struct Passed {
  Channel<int> channel{1};
  std::vector<int> sent;
  std::vector<int> received;
};

Task<> send_items(Passed& world, int count) {
  for (int item = 1; item <= count; ++item) {
    co_await world.channel.send(item);
    world.sent.push_back(item);
  }
  world.channel.close();
}

Task<> receive_items(Passed& world) {
  for (;;) {
    const auto item = co_await world.channel.receive();
    if (!item) co_return;
    world.received.push_back(*item);
  }
}

TEST(LoopsModel, AChannelLosesNothing) {
  expect_complete(explore([] {
    auto world = std::make_shared<Passed>();
    Program program;
    program.threads.emplace_back(
        [world] { run(send_items(*world, 3), std::make_unique<ModelDriver>()); });
    program.threads.emplace_back(
        [world] { run(receive_items(*world), std::make_unique<ModelDriver>()); });
    program.check = [world] { EXPECT_EQ(world->received, (std::vector<int>{1, 2, 3})); };
    return program;
  }));
}

// The receiver is cancelled by a third thread: what it did not get is still in the channel.
TEST(LoopsModel, ACancelledReceiverLeavesTheItem) {
  struct World : Passed {
    std::optional<LoopHandle> handle;
    TaskGroup* group = nullptr;
  };
  expect_complete(explore(
      [] {
        auto world = std::make_shared<World>();
        Program program;
        program.threads.emplace_back([world] {
          const auto receive = [&]() -> Task<> {
            co_await task_group([&](TaskGroup& group) -> Task<> {
              world->group = &group;
              world->handle = LoopHandle::current();
              point();
              co_await receive_items(*world);
            });
            world->group = nullptr;
          };
          run(receive(), std::make_unique<ModelDriver>());
        });
        program.threads.emplace_back([world] {
          wait_until([&] { return world->handle.has_value(); });
          int item = 1;
          if (world->channel.try_send(item)) world->sent.push_back(1);
          point();
          world->handle->post([world] {
            if (world->group != nullptr) world->group->cancel();
          });
        });
        program.check = [world] {
          while (const auto item = world->channel.try_receive()) world->received.push_back(*item);
          EXPECT_EQ(world->received, world->sent);
          world->handle.reset();
        };
        return program;
      },
      4));
}

// A call to a loop that is about to end: its result, or an error that says so, and always a return.
TEST(LoopsModel, ACallToAnotherLoopComesBack) {
  struct World {
    std::optional<LoopHandle> handle;
    int result = 0;
    bool refused = false;
  };
  expect_complete(explore(
      [] {
        auto world = std::make_shared<World>();
        Program program;
        program.threads.emplace_back([world] {
          const auto serve = [&]() -> Task<> {
            world->handle = LoopHandle::current();
            point();
            co_await sleep(Duration::zero());
          };
          run(serve(), std::make_unique<ModelDriver>());
        });
        program.threads.emplace_back([world] {
          wait_until([&] { return world->handle.has_value(); });
          const auto answer = []() -> Task<int> { co_return 42; };
          const auto call = [&]() -> Task<> {
            try {
              world->result = co_await run_on(*world->handle, answer);
            } catch (const UsageError&) {
              world->refused = true;
            }
          };
          run(call(), std::make_unique<ModelDriver>());
        });
        program.check = [world] {
          EXPECT_EQ(world->result == 42, !world->refused);
          world->handle.reset();
        };
        return program;
      },
      4));
}

}  // namespace
}  // namespace clearway::model
