// The texts of a snapshot: a tree and a list.

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <clearway/inspect/names.hpp>
#include <clearway/inspect/snapshot.hpp>

namespace clearway::inspect {
namespace {

std::string to_text(const Place& place) {
  return place.file.empty() ? "" : fmt::format("{}:{}", file_name(place.file), place.line);
}

// Coroutines of the library's own that only pass something on.
bool is_internal(const FrameView& frame) {
  return frame.function.find("clearway::detail::") != std::string::npos;
}

// What leads to a fiber's function, and from its last call into this library, where some functions
// have no namespace in the debug information.
bool is_internal(const StackFrame& call, const std::string& name) {
  return name.starts_with("clearway::") || name.starts_with("std::") ||
         call.at.file.find("clearway/fiber") != std::string::npos;
}

std::string to_text(const StackFrame& call, const std::string& name) {
  if (name.empty()) return fmt::format("{:#x} in {}", call.address, call.module);
  if (call.at.file.empty()) return fmt::format("{} in {}", name, call.module);
  return fmt::format("{} at {}", name, to_text(call.at));
}

void add_fiber(const FrameView& frame, std::vector<std::string>& lines) {
  const FiberView& fiber = *frame.fiber;
  const std::size_t before = lines.size();
  for (auto call = fiber.stack.rbegin(); call != fiber.stack.rend(); ++call) {
    const std::string name = short_name(call->function);
    if (is_internal(*call, name)) continue;
    lines.push_back((lines.size() == before ? "fiber: " : "") + to_text(*call, name));
  }
  if (lines.size() > before) return;
  lines.push_back(fiber.call.empty() ? fmt::format("fiber at {}", to_text(frame.at)) : "fiber");
}

std::string to_text(const FrameView& frame) {
  return fmt::format("{} at {}", short_name(frame.function), to_text(frame.at));
}

std::string state_text(const TaskView& task) {
  switch (task.state) {
    case TaskState::running:
      return "runs";
    case TaskState::ready:
      return "is ready";
    case TaskState::waiting:
      return task.awaits;
    case TaskState::cancelled:
      return task.awaits + " (cancelled, it has not let go yet)";
    case TaskState::children:
      break;
  }
  return task.children.empty() ? "something else" : "";
}

// The same for many tasks: fibers at the same place have descriptors of their own.
std::string common_state_text(const TaskView& task) {
  if (task.state != TaskState::waiting || task.frames.empty()) return state_text(task);
  const std::optional<FiberView>& fiber = task.frames.back().fiber;
  return fiber && !fiber->call.empty() ? fiber->call + "()" : state_text(task);
}

// The lines of a task without those of its children, and without times.
std::vector<std::string> own_lines(const TaskView& task) {
  std::vector<std::string> lines;
  for (const FrameView& frame : task.frames) {
    if (frame.fiber) {
      add_fiber(frame, lines);
    } else if (!is_internal(frame)) {
      lines.push_back(to_text(frame));
    }
  }
  if (lines.empty() && !task.frames.empty()) lines.push_back(to_text(task.frames.front()));
  if (!task.name.empty() && !lines.empty()) {
    lines.front() = fmt::format("\"{}\" {}", task.name, lines.front());
  }
  return lines;
}

std::string key_of(const TaskView& task) {
  std::string key =
      fmt::format("{}\n{}\n", fmt::join(own_lines(task), "\n"), common_state_text(task));
  for (const TaskView& child : task.children) key += "(" + key_of(child) + ")";
  return key;
}

struct Same {
  const TaskView* task;  // the one that has waited longest
  std::string key;
  std::size_t count = 1;
};

// Tasks that are at the same place, next to one another or not, become one.
std::vector<Same> grouped(const std::vector<TaskView>& tasks, bool everything) {
  std::vector<Same> groups;
  for (const TaskView& task : tasks) {
    std::string key = everything ? "" : key_of(task);
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const Same& group) {
      return !everything && group.key == key;
    });
    if (same == groups.end()) {
      groups.push_back({&task, std::move(key)});
      continue;
    }
    ++same->count;
    if (task.since > same->task->since) same->task = &task;
  }
  return groups;
}

class Tree {
 public:
  explicit Tree(TextOptions options) : options_(options) {}

  void add(const std::vector<TaskView>& tasks, const std::string& indent) {
    const std::vector<Same> groups = grouped(tasks, options_.everything);
    for (std::size_t index = 0; index < groups.size(); ++index) {
      const bool last = index + 1 == groups.size();
      add(groups[index], indent + (last ? "└─ " : "├─ "), indent + (last ? "   " : "│  "));
    }
  }
  std::string text;

 private:
  void add(const Same& group, const std::string& first, const std::string& rest) {
    const TaskView& task = *group.task;
    const std::vector<std::string> lines = own_lines(task);
    const bool has_children = !task.children.empty();
    for (std::size_t index = 0; index < lines.size(); ++index) {
      const std::string count =
          index == 0 && group.count > 1 ? fmt::format("{} × ", group.count) : "";
      text += fmt::format("{}{}{}", index == 0 ? first : rest + (has_children ? "│ " : "  "), count,
                          lines[index]);
      if (index + 1 == lines.size()) text += ending(group);
      text += '\n';
    }
    add(task.children, rest);
  }

  static std::string ending(const Same& group) {
    const std::string state =
        group.count > 1 ? common_state_text(*group.task) : state_text(*group.task);
    if (state.empty()) return "";
    if (!group.task->since) return " · " + state;
    return fmt::format(" · {}, {}{}", state, group.count > 1 ? "up to " : "",
                       inspect::to_text(*group.task->since));
  }

  TextOptions options_;
};

std::string loop_line(const LoopView& loop) {
  const std::string length = inspect::to_text(loop.turn_for);
  std::string line = fmt::format("loop of thread {}, {}", loop.thread, loop.driver);
  line += loop.busy ? fmt::format(", has run tasks for {}", length)
                    : fmt::format(", waits; its latest turn began {} ago", length);
  if (!loop.activity.empty()) line += "; it " + loop.activity;
  if (loop.changed) line += "; it went on while it was read";
  return line + "\n";
}

void list(const std::vector<TaskView>& tasks, const std::string& loop, int depth,
          std::string& text) {
  for (const TaskView& task : tasks) {
    if (task.frames.empty()) continue;
    const std::vector<std::string> lines = own_lines(task);
    const std::string state = task.state == TaskState::children
                                  ? fmt::format("awaits {} tasks", task.children.size())
                                  : state_text(task);
    text += fmt::format("{:<8} {:>9}  {:<18} {:>{}}{}", loop,
                        task.since ? inspect::to_text(*task.since) : "", state, "", 2 * depth,
                        lines.front());
    if (lines.size() > 1) text += " > " + lines.back();
    text += '\n';
    list(task.children, loop, depth + 1, text);
  }
}

}  // namespace

std::string to_text(Duration length) {
  const auto nanoseconds = static_cast<double>(length.count());
  if (nanoseconds >= 120e9) return fmt::format("{:.0f} min", nanoseconds / 60e9);
  if (nanoseconds >= 1e9) return fmt::format("{:.2f} s", nanoseconds / 1e9);
  if (nanoseconds >= 1e6) return fmt::format("{:.0f} ms", nanoseconds / 1e6);
  return fmt::format("{:.0f} us", nanoseconds / 1e3);
}

std::string to_tree(const ProcessView& view, TextOptions options) {
  Tree tree(options);
  tree.text = fmt::format("process {}, {}\n", view.process, view.name);
  for (const LoopView& loop : view.loops) {
    tree.text += loop_line(loop);
    tree.add(loop.tasks, "");
  }
  if (view.loops.empty()) tree.text += "no loop runs in it\n";
  return tree.text;
}

std::string to_list(const ProcessView& view) {
  std::string text =
      fmt::format("{:<8} {:>9}  {:<18} {}\n", "thread", "since", "awaits", "task, and where");
  for (const LoopView& loop : view.loops) list(loop.tasks, std::to_string(loop.thread), 0, text);
  return text;
}

}  // namespace clearway::inspect
