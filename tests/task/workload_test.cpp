// A thousand worlds in which producers, consumers, locks, timeouts, races and cancellations meet at
// random. Whatever happens, no item is lost or delivered twice, and no permit is lost or made.

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include <clearway/task/gather.hpp>
#include <clearway/task/queue.hpp>
#include <clearway/task/race.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;

// 0 .. below - 1, as the seed says.
int chance(int below) {
  return static_cast<int>(Loop::current().driver().random() % static_cast<unsigned>(below));
}
// Few different ones, so that many things happen at the same one.
Duration moment() { return std::chrono::microseconds(500 * chance(5)); }

constexpr std::size_t permits = 3;

struct World {
  Queue<int> queue{static_cast<std::size_t>(chance(4))};
  Semaphore semaphore{permits};
  Lock lock;
  Condition changed;
  std::size_t in_use = 0;
  int holders = 0;
  int next_item = 0;
  std::vector<int> put;
  std::vector<int> got;

  void note(std::optional<int> item) {
    if (item.has_value()) got.push_back(*item);
  }
};

// Counts what is inside while it lives.
template <class Number>
class Inside {
 public:
  Inside(Number& count, Number by) : count_(count), by_(by) { count_ += by_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() { count_ -= by_; }

 private:
  Number& count_;
  Number by_;
};

Task<> put_one(World& world, int item) {
  co_await world.queue.put(item);
  world.put.push_back(item);
}

Task<> produce(World& world) {
  for (int round = 0; round < 8; ++round) {
    const int item = world.next_item++;
    switch (chance(3)) {
      case 0:
        co_await put_one(world, item);
        break;
      case 1:
        co_await move_on_after(moment(), put_one(world, item));
        break;
      default:
        co_await race(put_one(world, item), sleep(moment()));
        break;
    }
    if (chance(2) == 0) co_await sleep(moment());
  }
}

Task<> take_one(World& world) {
  const auto item = co_await world.queue.get();
  world.note(item);
}

Task<> use_permits(World& world) {
  const auto count = static_cast<std::size_t>(1 + chance(3));
  const auto permit = co_await world.semaphore.acquire(count);
  const Inside<std::size_t> inside(world.in_use, count);
  EXPECT_LE(world.in_use, permits);
  co_await sleep(moment());
}

Task<> use_lock(World& world) {
  auto guard = co_await world.lock.acquire();
  {
    const Inside<int> inside(world.holders, 1);
    EXPECT_EQ(world.holders, 1);
    co_await yield();
  }
  if (chance(2) == 0) {
    world.changed.notify_one();
  } else {
    co_await move_on_after(moment(), world.changed.wait(guard));
    EXPECT_TRUE(world.lock.locked());
  }
}

Task<> consume(World& world) {
  for (int round = 0; round < 8; ++round) {
    switch (chance(5)) {
      case 0:
        co_await move_on_after(moment(), take_one(world));
        break;
      case 1: {
        const auto [item, timer] = co_await race(world.queue.get(), sleep(moment()));
        if (item.has_value()) world.note(*item);
        break;
      }
      case 2:
        co_await gather(use_permits(world), move_on_after(moment(), use_permits(world)));
        break;
      case 3:
        co_await use_lock(world);
        break;
      default:
        world.note(world.queue.try_get());
        co_await sleep(moment());
        break;
    }
  }
}

// Cancels some of the others, and sometimes all of them.
Task<> disturb(TaskGroup& group, std::vector<TaskHandle<>>& handles) {
  for (const TaskHandle<>& handle : handles) {
    co_await sleep(moment());
    if (chance(3) == 0) handle.cancel();
  }
  if (chance(4) == 0) group.cancel();
}

void expect_conserved(World& world) {
  while (const auto item = world.queue.try_get()) world.got.push_back(*item);
  std::sort(world.put.begin(), world.put.end());
  std::sort(world.got.begin(), world.got.end());
  EXPECT_EQ(world.put, world.got);
  EXPECT_EQ(world.semaphore.available(), permits);
  EXPECT_EQ(world.in_use, 0U);
  EXPECT_FALSE(world.lock.locked());
}

TEST(Workload, AThousandSeedsLoseNothing) {
  std::size_t delivered = 0;
  std::size_t runs = 0;
  sim::run_seeds(1000, [&]() -> Task<> {
    World world;
    std::vector<TaskHandle<>> handles;
    const auto everything = [&](TaskGroup& group) -> Task<> {
      for (int count = 0; count < 3; ++count) {
        handles.push_back(group.start(produce, std::ref(world)));
        handles.push_back(group.start(consume, std::ref(world)));
      }
      co_await disturb(group, handles);
    };
    const auto bounded = [&]() -> Task<> { co_await task_group(everything); };
    co_await move_on_after(std::chrono::milliseconds(5 + chance(40)), bounded());
    delivered += world.got.size();
    ++runs;
    expect_conserved(world);
  });
  EXPECT_GT(delivered, 3 * runs) << "the worlds do too little to prove anything";
}

}  // namespace
}  // namespace clearway
