#pragma once

// The tasks of a process as they were at one moment: plain values, and their texts.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <clearway/loop/time.hpp>

namespace clearway::inspect {

// A line of source. Empty where nothing is known.
struct Place {
  std::string file;
  unsigned line = 0;
};

// A call of a C++ stack; one that was inlined is a call too.
struct StackFrame {
  std::uint64_t address = 0;
  std::string function;
  Place at;            // empty without debug information
  std::string module;  // the program or library, where there is no place
};

// What is known of a fiber beyond its place among the coroutines.
struct FiberView {
  std::string call;              // the blocking call that it waits in; "" when it awaits a task
  std::vector<int> descriptors;  // that the call waits for
  // Innermost first; `clearway` reads it, otherwise nullptr. Fibers with equal stacks share it.
  std::shared_ptr<const std::vector<StackFrame>> stack;
  // Where it is, 0 while it runs; and, where ReadOptions ask for it, its stack from there on.
  std::uint64_t context = 0;
  std::string stack_memory;
};

// A coroutine of a task's stack, or a fiber.
struct FrameView {
  std::uint64_t address = 0;  // of its promise
  std::string function;       // as the compiler writes it; "fiber"
  Place at;                   // where it awaits, or awaited last
  std::optional<FiberView> fiber;
};

enum class TaskState {
  running,    // its loop runs it now
  ready,      // it goes on as soon as the loop comes to it
  waiting,    // for an operation
  cancelled,  // it waits until an operation that was cancelled has let go
  children,   // for its children, or for something that Clearway does not know
};

// A task with the frames that it has now, and what was started below it.
struct TaskView {
  std::string name;  // that the program gave to it, or ""
  TaskState state = TaskState::children;
  std::optional<Duration> since;  // how long it has waited
  std::string awaits;             // what for: "sleep", "receive"
  Place started;                  // where a group's start() was called
  std::vector<FrameView> frames;  // the outermost first
  std::vector<TaskView> children;
  std::size_t left_out = 0;  // how many tasks there are below, where the tree is not followed
};

// Tasks in tasks are followed so far, which readers of JSON can follow too.
inline constexpr int most_levels = 100;

// A loop and the tasks that nobody else waits for.
struct LoopView {
  int thread = 0;  // as the kernel numbers it
  std::string driver;
  bool busy = false;     // it runs tasks; otherwise it waits for something to do
  Duration turn_for{};   // how long ago its present or latest turn began
  int callbacks = 0;     // how many tasks had their share of this turn
  std::string activity;  // of its thread while it is busy: "burns CPU"; "" where not asked
  bool changed = false;  // it went on while it was read: some of this may be older or gone
  std::vector<TaskView> tasks;
};

// All loops, the oldest first.
struct ProcessView {
  int process = 0;
  std::string name;
  std::vector<LoopView> loops;
};

// How a process is shown.
struct TextOptions {
  bool everything = false;  // one line for each of many tasks that wait at the same place
};

// A tree of all tasks, for people.
std::string to_tree(const ProcessView& view, TextOptions options = {});
// One line for each task.
std::string to_list(const ProcessView& view);
std::string to_json(const ProcessView& view);

// The name of a function without its type, parameters and templates' arguments:
// "clearway::Task<> chat::talk(Room&, int)" is "chat::talk".
std::string short_name(std::string_view function);
// "1.25 s", "12 ms", "40 us".
std::string to_text(Duration length);

}  // namespace clearway::inspect
