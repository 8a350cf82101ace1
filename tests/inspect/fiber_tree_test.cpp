// Fibers in the tree of tasks.

#include <algorithm>

#include <gtest/gtest.h>
#include <clearway/fiber/fiber.hpp>
#include <clearway/inspect/tasks.hpp>
#include <clearway/task/simulate.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task_group.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using inspect::FrameView;
using inspect::TaskState;
using inspect::TaskView;

unsigned awaiting_line = 0;

void wait_on_fiber(Event& event) {
  awaiting_line = __LINE__ + 1;
  fiber::await(event.wait());
}

Task<> run_on_fiber(Event& event) { co_await fiber::run(wait_on_fiber, std::ref(event)); }

const TaskView* named(const std::vector<TaskView>& tasks, std::string_view name) {
  for (const TaskView& task : tasks) {
    if (task.name == name) return &task;
    if (const TaskView* found = named(task.children, name)) return found;
  }
  return nullptr;
}

TEST(FiberTree, AFiberIsPartOfTheTaskThatRunsIt) {
  sim::run_seeds(3, []() -> Task<> {
    Event event;
    co_await task_group([&](TaskGroup& group) -> Task<> {
      const auto handle = group.start(run_on_fiber, std::ref(event));
      handle.set_name("caller");
      co_await sleep(2s);
      const inspect::ProcessView view = inspect::tasks();
      EXPECT_EQ(view.loops.front().tasks.size(), 1U) << inspect::to_tree(view);
      const TaskView* const task = named(view.loops.front().tasks, "caller");
      if (task == nullptr) {
        ADD_FAILURE() << inspect::to_tree(view);
        co_return;
      }
      EXPECT_EQ(task->state, TaskState::waiting);
      EXPECT_EQ(task->since, Duration(2s));
      EXPECT_TRUE(task->children.empty());
      EXPECT_EQ(inspect::short_name(task->frames.front().function), "clearway::run_on_fiber");
      const auto found =
          std::find_if(task->frames.begin(), task->frames.end(),
                       [](const FrameView& frame) { return frame.fiber.has_value(); });
      if (found == task->frames.end()) {
        ADD_FAILURE() << inspect::to_tree(view);
        co_return;
      }
      EXPECT_EQ(found->function, "fiber");
      EXPECT_EQ(found->at.line, awaiting_line);
      EXPECT_EQ(found->fiber->call, "");
      EXPECT_NE(found->fiber->context, 0U);
      EXPECT_TRUE(found->fiber->stack_memory.empty());
      EXPECT_NE(inspect::to_tree(view).find("fiber at fiber_tree_test.cpp:"), std::string::npos);
      EXPECT_NE(inspect::to_json(view).find(R"("fiber":{"call":"")"), std::string::npos);
      event.set();
    });
  });
}

TEST(FiberTree, AFiberThatRunsIsTheOneThatRuns) {
  sim::run(SimulationOptions(), []() -> Task<> {
    std::string tree;
    bool context_known = true;
    const auto look = [&] {
      const inspect::ProcessView view = inspect::tasks();
      tree = inspect::to_tree(view);
      for (const FrameView& frame : view.loops.front().tasks.front().frames) {
        if (frame.fiber) context_known = frame.fiber->context != 0;
      }
    };
    co_await fiber::run(look);
    EXPECT_NE(tree.find("runs"), std::string::npos) << tree;
    EXPECT_FALSE(context_known) << tree;
  });
}

}  // namespace
}  // namespace clearway
