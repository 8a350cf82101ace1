// The texts of a snapshot: a tree and a list.

#include <string_view>
#include <unordered_map>
#include <utility>

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

std::string to_text(const StackFrame& call) {
  const std::string name = brief_name(call.function);
  if (name.empty()) return fmt::format("{:#x} in {}", call.address, call.module);
  if (call.at.file.empty()) return fmt::format("{} in {}", name, call.module);
  return fmt::format("{} at {}", name, to_text(call.at));
}

std::vector<std::string> stack_lines(const std::vector<StackFrame>& stack) {
  std::vector<std::string> lines;
  for (auto call = stack.rbegin(); call != stack.rend(); ++call) {
    if (is_plumbing(*call)) continue;
    lines.push_back(printable((lines.empty() ? "fiber: " : "") + to_text(*call)));
  }
  return lines;
}

std::string to_text(const FrameView& frame) {
  return fmt::format("{} at {}", short_name(frame.function), to_text(frame.at));
}

std::string left_out_line(const TaskView& task) {
  return fmt::format("… {} tasks below are left out\n", task.left_out);
}

std::string state_text(const TaskView& task) {
  switch (task.state) {
    case TaskState::running:
      return "runs";
    case TaskState::ready:
      return "is ready";
    case TaskState::waiting:
      return printable(task.awaits);
    case TaskState::cancelled:
      return printable(task.awaits) + " (cancelled, it has not let go yet)";
    case TaskState::children:
      break;
  }
  return task.children.empty() && task.left_out == 0 ? "something else" : "";
}

// The same for many tasks: fibers at the same place have descriptors of their own.
std::string common_state_text(const TaskView& task) {
  if (task.state != TaskState::waiting || task.frames.empty()) return state_text(task);
  const std::optional<FiberView>& fiber = task.frames.back().fiber;
  return fiber && !fiber->call.empty() ? printable(fiber->call) + "()" : state_text(task);
}

// The lines of a task without those of its children, and without times.
class Lines {
 public:
  std::vector<std::string> of(const TaskView& task) {
    std::vector<std::string> lines;
    for (const FrameView& frame : task.frames) {
      if (frame.fiber) {
        add_fiber(frame, lines);
      } else if (!is_internal(frame)) {
        lines.push_back(printable(to_text(frame)));
      }
    }
    if (lines.empty() && !task.frames.empty()) {
      lines.push_back(printable(to_text(task.frames.front())));
    }
    if (!task.name.empty() && !lines.empty()) {
      lines.front() = fmt::format("\"{}\" {}", printable(task.name), lines.front());
    }
    return lines;
  }

 private:
  void add_fiber(const FrameView& frame, std::vector<std::string>& lines) {
    const FiberView& fiber = *frame.fiber;
    if (fiber.stack != nullptr) {
      const auto [known, first] = stacks_.try_emplace(fiber.stack.get());
      if (first) known->second = stack_lines(*fiber.stack);
      lines.insert(lines.end(), known->second.begin(), known->second.end());
      if (!known->second.empty()) return;
    }
    lines.push_back(fiber.call.empty() ? printable(fmt::format("fiber at {}", to_text(frame.at)))
                                       : "fiber");
  }

  std::unordered_map<const std::vector<StackFrame>*, std::vector<std::string>> stacks_;
};

// Tasks that look the same, with all that is below them, have the same key.
class Keys {
 public:
  explicit Keys(Lines& lines) : lines_(lines) {}

  std::size_t of(const TaskView& task) {
    const auto known = tasks_.find(&task);
    if (known != tasks_.end()) return known->second;
    std::string text = fmt::format("{}\n{}\n{}", fmt::join(lines_.of(task), "\n"),
                                   common_state_text(task), task.left_out);
    for (const TaskView& child : task.children) text += fmt::format(" {}", of(child));
    const std::size_t key = texts_.try_emplace(std::move(text), texts_.size()).first->second;
    tasks_.emplace(&task, key);
    return key;
  }

 private:
  Lines& lines_;
  std::unordered_map<std::string, std::size_t> texts_;
  std::unordered_map<const TaskView*, std::size_t> tasks_;
};

struct Same {
  const TaskView* task;  // the one that has waited longest
  std::size_t count = 1;
};

class Tree {
 public:
  explicit Tree(TextOptions options) : options_(options) {}

  void add(const std::vector<TaskView>& tasks, const std::string& indent) {
    const std::vector<Same> groups = grouped(tasks);
    for (std::size_t index = 0; index < groups.size(); ++index) {
      const bool last = index + 1 == groups.size();
      add(groups[index], indent + (last ? "└─ " : "├─ "), indent + (last ? "   " : "│  "));
    }
  }
  std::string text;

 private:
  // Tasks that are at the same place, next to one another or not, become one.
  std::vector<Same> grouped(const std::vector<TaskView>& tasks) {
    std::vector<Same> groups;
    std::unordered_map<std::size_t, std::size_t> known;
    for (const TaskView& task : tasks) {
      const auto [same, first] = options_.everything
                                     ? std::pair(known.end(), true)
                                     : known.try_emplace(keys_.of(task), groups.size());
      if (first) {
        groups.push_back({&task});
        continue;
      }
      Same& group = groups[same->second];
      ++group.count;
      if (task.since > group.task->since) group.task = &task;
    }
    return groups;
  }

  void add(const Same& group, const std::string& first, const std::string& rest) {
    const TaskView& task = *group.task;
    const std::vector<std::string> lines = lines_.of(task);
    const bool has_children = !task.children.empty() || task.left_out > 0;
    for (std::size_t index = 0; index < lines.size(); ++index) {
      const std::string count =
          index == 0 && group.count > 1 ? fmt::format("{} × ", group.count) : "";
      text += fmt::format("{}{}{}", index == 0 ? first : rest + (has_children ? "│ " : "  "), count,
                          lines[index]);
      if (index + 1 == lines.size()) text += ending(group);
      text += '\n';
    }
    add(task.children, rest);
    if (task.left_out > 0) text += rest + "└─ " + left_out_line(task);
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
  Lines lines_;
  Keys keys_{lines_};
};

std::string loop_line(const LoopView& loop) {
  const std::string length = inspect::to_text(loop.turn_for);
  std::string line = fmt::format("loop of thread {}, {}", loop.thread, printable(loop.driver));
  line += loop.busy ? fmt::format(", has run tasks for {}", length)
                    : fmt::format(", waits; its latest turn began {} ago", length);
  if (!loop.activity.empty()) line += "; it " + printable(loop.activity);
  if (loop.changed) line += "; it went on while it was read";
  return line + "\n";
}

void list(const std::vector<TaskView>& tasks, const std::string& loop, int depth, Lines& shown,
          std::string& text) {
  for (const TaskView& task : tasks) {
    if (task.frames.empty()) continue;
    const std::vector<std::string> lines = shown.of(task);
    const std::string state = task.state == TaskState::children && task.left_out == 0
                                  ? fmt::format("awaits {} tasks", task.children.size())
                                  : state_text(task);
    text += fmt::format("{:<8} {:>9}  {:<18} {:>{}}{}", loop,
                        task.since ? inspect::to_text(*task.since) : "", state, "", 2 * depth,
                        lines.front());
    if (lines.size() > 1) text += " > " + lines.back();
    text += '\n';
    list(task.children, loop, depth + 1, shown, text);
    if (task.left_out > 0) {
      text += fmt::format("{:<8} {:>9}  {:<18} {:>{}}{}", loop, "", "", "", 2 * depth + 2,
                          left_out_line(task));
    }
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
  tree.text = fmt::format("process {}, {}\n", view.process, printable(view.name));
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
  Lines lines;
  for (const LoopView& loop : view.loops) {
    list(loop.tasks, std::to_string(loop.thread), 0, lines, text);
  }
  return text;
}

}  // namespace clearway::inspect
