// The task tree of this process: what each task awaits, where, and who waits for it.

#include <clearway/inspect/tasks.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <latch>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>
#include <clearway/inspect/names.hpp>
#include <clearway/inspect/reader.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/queue.hpp>
#include <clearway/task/run.hpp>
#include <clearway/task/simulate.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>
#include <clearway/task/to_thread.hpp>
#include <clearway/task/with_scope.hpp>
#include <tests/support/worlds.hpp>

namespace tasks_test {

using namespace clearway;
using namespace std::chrono_literals;
using inspect::TaskState;
using inspect::TaskView;

// The lines of this file that the tree names.
struct Lines {
  std::atomic<unsigned> leaf = 0;
  std::atomic<unsigned> middle = 0;
  std::atomic<unsigned> start = 0;
  std::atomic<unsigned> gather = 0;
};
Lines lines;

Task<> leaf(Event& event) {
  lines.leaf = __LINE__ + 1;
  co_await event.wait();
}
Task<> middle(Event& event) {
  lines.middle = __LINE__ + 1;
  co_await leaf(event);
}

inspect::LoopView own_loop() {
  for (inspect::LoopView& loop : inspect::tasks().loops) {
    if (loop.thread == ::gettid()) return std::move(loop);
  }
  ADD_FAILURE() << "this thread's loop is not among them";
  return {};
}

// The first task for which `matches` holds, anywhere in the tree.
const TaskView* find(const std::vector<TaskView>& tasks,
                     const std::function<bool(const TaskView&)>& matches) {
  for (const TaskView& task : tasks) {
    if (matches(task)) return &task;
    if (const TaskView* found = find(task.children, matches)) return found;
  }
  return nullptr;
}
const TaskView* named(const std::vector<TaskView>& tasks, std::string_view name) {
  return find(tasks, [&](const TaskView& task) { return task.name == name; });
}
std::size_t count(const std::vector<TaskView>& tasks) {
  std::size_t total = tasks.size();
  for (const TaskView& task : tasks) total += count(task.children);
  return total;
}

TEST(TasksTest, AChildOfAGroupHasItsNameItsPlaceAndWhatItAwaits) {
  sim::run_seeds(5, []() -> Task<> {
    Event event;
    co_await task_group([&](TaskGroup& group) -> Task<> {
      lines.start = __LINE__ + 1;
      const auto handle = group.start(middle, std::ref(event));
      handle.set_name("billing");
      co_await sleep(3s);
      const inspect::LoopView loop = own_loop();
      EXPECT_EQ(loop.driver, "simulated");
      EXPECT_TRUE(loop.busy);
      EXPECT_FALSE(loop.changed);
      const TaskView* const task = named(loop.tasks, "billing");
      if (task == nullptr) {
        ADD_FAILURE() << inspect::to_tree(inspect::tasks());
        co_return;
      }
      EXPECT_EQ(task->state, TaskState::waiting);
      EXPECT_EQ(task->started.line, lines.start);
      EXPECT_EQ(task->since, Duration(3s));
      EXPECT_EQ(task->frames.size(), 2U);
      EXPECT_EQ(inspect::short_name(task->frames.front().function), "tasks_test::middle");
      EXPECT_EQ(task->frames.front().at.line, lines.middle);
      EXPECT_EQ(task->frames.back().at.line, lines.leaf);
      EXPECT_TRUE(task->frames.back().at.file.ends_with("tasks_test.cpp"));
      event.set();
    });
  });
}

TEST(TasksTest, TheTreeHangsTogether) {
  sim::run(SimulationOptions(), []() -> Task<> {
    Event event;
    const auto look = [&]() -> Task<> {
      co_await sleep(1s);
      const inspect::LoopView loop = own_loop();
      EXPECT_EQ(loop.tasks.size(), 1U) << inspect::to_tree(inspect::tasks());
      EXPECT_EQ(count(loop.tasks), 5U) << inspect::to_tree(inspect::tasks());
      const TaskView* const self =
          find(loop.tasks, [](const TaskView& task) { return task.state == TaskState::running; });
      EXPECT_NE(self, nullptr);
      EXPECT_EQ(loop.tasks.front().state, TaskState::children);
      event.set();
    };
    lines.gather = __LINE__ + 1;
    co_await gather(middle(event), leaf(event), leaf(event), look());
  });
}

TEST(TasksTest, WhatIsReadyIsThereBeforeItHasBegun) {
  sim::run(SimulationOptions(), []() -> Task<> {
    Event event;
    co_await task_group([&](TaskGroup& group) -> Task<> {
      group.start(middle, std::ref(event)).set_name("begun");
      co_await yield();
      group.start(middle, std::ref(event)).set_name("not begun");
      event.set();
      const inspect::LoopView loop = own_loop();
      for (const char* name : {"begun", "not begun"}) {
        const TaskView* const task = named(loop.tasks, name);
        if (task == nullptr) {
          ADD_FAILURE() << name << inspect::to_tree(inspect::tasks());
          co_return;
        }
        EXPECT_EQ(task->state, TaskState::ready);
      }
    });
  });
}

// A call in a thread does not end because it is cancelled: who asks what the program still waits
// for must find it.
TEST(TasksTest, WhatIsCancelledStaysUntilItHasLetGo) {
  tests::on_real_drivers([]() -> Task<> {
    std::latch go(1);
    std::atomic<bool> begun = false;
    const auto stay = [&] {
      begun = true;
      go.wait();
    };
    const auto wait = [&]() -> Task<> { co_await to_thread(stay); };
    co_await task_group([&](TaskGroup& group) -> Task<> {
      const auto handle = group.start(wait);
      handle.set_name("stubborn");
      while (!begun) co_await sleep(1ms);
      handle.cancel();
      const TaskView* task = nullptr;
      const inspect::LoopView loop = own_loop();
      task = named(loop.tasks, "stubborn");
      if (task == nullptr) {
        ADD_FAILURE() << inspect::to_tree(inspect::tasks());
      } else {
        EXPECT_EQ(task->state, TaskState::cancelled);
        EXPECT_EQ(task->awaits, "thread");
        EXPECT_TRUE(task->since && *task->since < 60s);
      }
      go.count_down();
    });
  });
}

TEST(TasksTest, LoopsOfOtherThreadsAreRead) {
  std::latch ready(2);
  std::latch done(1);
  const auto work = [&] {
    run([](std::latch& up, std::latch& end) -> Task<> {
      Event never;
      co_await task_group([&](TaskGroup& group) -> Task<> {
        const auto handle = group.start(middle, std::ref(never));
        handle.set_name("elsewhere");
        co_await yield();
        up.count_down();
        end.wait();  // a loop that hangs is read as well
        handle.cancel();
      });
    }(ready, done));
  };
  std::thread first(work);
  std::thread second(work);
  ready.wait();
  const inspect::ProcessView view = inspect::tasks();
  done.count_down();
  first.join();
  second.join();
  ASSERT_EQ(view.loops.size(), 2U);
  for (const inspect::LoopView& loop : view.loops) {
    EXPECT_TRUE(loop.busy);
    const TaskView* const task = named(loop.tasks, "elsewhere");
    ASSERT_NE(task, nullptr) << inspect::to_tree(view);
    EXPECT_EQ(task->frames.size(), 2U);
  }
  EXPECT_TRUE(inspect::tasks().loops.empty());
}

// A loop that turns all the time, read from beside: nothing is exact, and nothing breaks.
TEST(TasksTest, ALoopThatGoesOnCanBeRead) {
  std::atomic<bool> stop = false;
  std::thread other([&] {
    run([](std::atomic<bool>& end) -> Task<> {
      while (!end) {
        co_await task_group([](TaskGroup& group) -> Task<> {
          for (int number = 0; number < 20; ++number) {
            group.start([]() -> Task<> { co_await yield(); }).set_name("brief");
          }
          co_return;
        });
      }
    }(stop));
  });
  std::size_t most = 0;
  for (int round = 0; round < 200 || (most == 0 && round < 1'000'000); ++round) {
    const inspect::ProcessView view = inspect::tasks();
    for (const inspect::LoopView& loop : view.loops) most = std::max(most, count(loop.tasks));
    EXPECT_FALSE(inspect::to_tree(view).empty());
    EXPECT_FALSE(inspect::to_json(view).empty());
  }
  stop = true;
  other.join();
  EXPECT_GT(most, 0U);
}

TEST(TasksTest, ManyTasksAtOnePlaceAreOneLine) {
  sim::run(SimulationOptions(), []() -> Task<> {
    Event event;
    co_await task_group([&](TaskGroup& group) -> Task<> {
      for (int number = 0; number < 1'000; ++number) group.start(middle, std::ref(event));
      co_await sleep(2s);
      const inspect::ProcessView view = inspect::tasks();
      const std::string tree = inspect::to_tree(view);
      EXPECT_NE(tree.find("1000 × tasks_test::middle at tasks_test.cpp:"), std::string::npos)
          << tree;
      EXPECT_NE(tree.find(", up to 2.00 s"), std::string::npos) << tree;
      inspect::TextOptions options;
      options.everything = true;
      const std::string all = inspect::to_tree(view, options);
      EXPECT_GT(std::count(all.begin(), all.end(), '\n'), 2'000);
      EXPECT_GT(inspect::to_list(view).size(), 1'000U);
      event.set();
    });
  });
}

Task<> nest(Event& event, std::function<void()>& at_the_bottom, int levels) {
  if (levels == 0) {
    at_the_bottom();
    co_await event.wait();
    co_return;
  }
  co_await task_group([&](TaskGroup& group) -> Task<> {
    group.start(nest, std::ref(event), std::ref(at_the_bottom), levels - 1).set_name("nested");
    co_return;
  });
}

// Programs nest as deep as they like; the tree of who reads it, on whatever stack, does not.
TEST(TasksTest, WhatIsNestedDeepIsCutAndSaysSo) {
  sim::run(SimulationOptions(), []() -> Task<> {
    Event event;
    inspect::RunningTask running;
    std::function<void()> at_the_bottom = [&] {
      inspect::Memory memory(::getpid());
      const auto record = reinterpret_cast<inspect::Address>(*clearway_debug_root.loops);
      running = inspect::read_running(memory, clearway_debug_root, record);
    };
    const auto look = [&]() -> Task<> {
      co_await sleep(1s);
      const inspect::ProcessView view = inspect::tasks();
      EXPECT_LE(count(view.loops.front().tasks), 102U);
      const std::string line = "… 2902 tasks below are left out\n";
      EXPECT_NE(inspect::to_tree(view).find(line), std::string::npos) << inspect::to_tree(view);
      EXPECT_NE(inspect::to_list(view).find(line), std::string::npos);
      EXPECT_NE(inspect::to_json(view).find(R"("left_out":2902)"), std::string::npos);
      event.set();
    };
    co_await gather(nest(event, at_the_bottom, 3'000), look());
    EXPECT_EQ(running.name, "\"nested\"");
    EXPECT_EQ(running.await_chain.size(), 101U);
    EXPECT_EQ(inspect::short_name(running.await_chain.front().function), "tasks_test::nest");
    EXPECT_EQ(running.await_chain.back().function, "(more, outside of these)");
  });
}

TEST(TasksTest, NamesAreShort) {
  EXPECT_EQ(inspect::short_name("clearway::Task<> chat::talk(Room&, int)"), "chat::talk");
  EXPECT_EQ(inspect::short_name("clearway::Task<std::pair<int, int> > a::B<C>::f(int) [with T = "
                                "int; U = long int]"),
            "a::B<C>::f");
  EXPECT_EQ(inspect::short_name("Task<> {anonymous}::leaf()"), "leaf");
  EXPECT_EQ(inspect::short_name("amain()::<lambda(clearway::http::Request&)>"),
            "amain()::<lambda(clearway::http::Request&)>");
  EXPECT_EQ(inspect::short_name("auto amain()::(anonymous class)::operator()() const"),
            "amain()::(anonymous class)::operator()");
  EXPECT_EQ(inspect::short_name(""), "");
}

TEST(TasksTest, JsonIsQuoted) {
  inspect::ProcessView view;
  view.name = "a\"b\\c\n";
  EXPECT_EQ(inspect::to_json(view),
            "{\"process\":0,\"name\":\"a\\\"b\\\\c\\u000a\",\"loops\":[]}\n");
}

// Names come out of memory, which has whatever it has.
TEST(TasksTest, WhatIsNoTextDoesNotGetOut) {
  const std::string_view good = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
  EXPECT_EQ(inspect::valid_utf8(good), good);
  EXPECT_EQ(inspect::printable(good), good);
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(inspect::valid_utf8("N\xc3"), "N" + bad);
  EXPECT_EQ(inspect::valid_utf8("\xc0\x80"), bad + bad);
  EXPECT_EQ(inspect::valid_utf8("\xed\xa0\x80"), bad + bad + bad);
  EXPECT_EQ(inspect::valid_utf8("\xf5z"), bad + "z");
  EXPECT_EQ(inspect::printable("\x1b[31m\n\x7f\xc2\x9b"), "\\x1b[31m\\x0a\\x7f\\x9b");
  inspect::ProcessView view;
  view.name = "\x1b\xff";
  EXPECT_NE(inspect::to_tree(view).find("\\x1b" + bad), std::string::npos);
  EXPECT_NE(inspect::to_json(view).find("\\u001b" + bad), std::string::npos);
}

TEST(TasksTest, LongNamesHaveNoArgumentsOfTemplates) {
  const std::string many = "a_rather_long_type, a_rather_long_type, a_rather_long_type";
  EXPECT_EQ(inspect::brief_name("run<int>"), "run<int>");
  EXPECT_EQ(inspect::brief_name("run<" + many + ">"), "run<…>");
  EXPECT_EQ(inspect::brief_name("Box<" + many + ">::get<A<B> >"), "Box<…>::get<…>");
  EXPECT_EQ(inspect::brief_name("main()::<lambda(" + many + ")>"),
            "main()::<lambda(" + many + ")>");
}

TEST(TasksTest, PlumbingIsThatOfLibraries) {
  const auto plumbing = [](std::string function, std::string file) {
    return inspect::is_plumbing({0, std::move(function), {std::move(file), 1}, ""});
  };
  EXPECT_TRUE(plumbing("__invoke_impl<void, F>", "/usr/include/c++/12/bits/invoke.h"));
  EXPECT_TRUE(plumbing("clearway::fiber::await(Event&)", ""));
  EXPECT_TRUE(plumbing("poll", "/src/clearway/fiber_hooks/poll.cpp"));
  EXPECT_TRUE(plumbing("run_call<F>", "/usr/include/clearway/task/to_thread.hpp"));
  EXPECT_FALSE(plumbing("main::{lambda()#1}::operator()() const", "/home/me/main.cpp"));
}

}  // namespace tasks_test
