// The snapshot as JSON.

#include <array>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <clearway/inspect/names.hpp>
#include <clearway/inspect/snapshot.hpp>

namespace clearway::inspect {
namespace {

void quote(std::string& to, std::string_view text) {
  to += '"';
  for (const char character : valid_utf8(text)) {
    const auto code = static_cast<unsigned char>(character);
    if (character == '"' || character == '\\') {
      to += '\\';
      to += character;
    } else if (code < 0x20) {
      to += fmt::format("\\u{:04x}", code);
    } else {
      to += character;
    }
  }
  to += '"';
}

std::string seconds(Duration length) {
  return fmt::format("{:.6f}", static_cast<double>(length.count()) / 1e9);
}

const char* name(TaskState state) {
  constexpr std::array names = {"running", "ready", "waiting", "cancelled", "children"};
  return names[static_cast<std::size_t>(state)];
}

// Appends to one text: programs have many tasks.
class Writer {
 public:
  std::string text;

  void write(const ProcessView& view) {
    text += fmt::format(R"({{"process":{})", view.process);
    field("name", view.name);
    elements("loops", view.loops);
    text += "}\n";
  }

 private:
  void field(std::string_view name, std::string_view value) {
    text += fmt::format(R"(,"{}":)", name);
    quote(text, value);
  }

  void field(std::string_view name, const Place& place) {
    text += fmt::format(R"(,"{}":{{"file":)", name);
    quote(text, place.file);
    text += fmt::format(R"(,"line":{}}})", place.line);
  }

  // With the short name, which takes longer than all else.
  void function(std::string_view function) {
    const auto [known, first] = functions_.try_emplace(std::string(function));
    if (first) {
      known->second = R"("function":)";
      quote(known->second, function);
      known->second += R"(,"name":)";
      quote(known->second, short_name(function));
    }
    text += known->second;
  }

  template <class T>
  void elements(std::string_view name, const std::vector<T>& all) {
    text += fmt::format(R"(,"{}":[)", name);
    for (const T& element : all) {
      if (&element != &all.front()) text += ',';
      write(element);
    }
    text += ']';
  }

  void write(int number) { text += std::to_string(number); }

  void write(const StackFrame& call) {
    text += '{';
    function(call.function);
    field("at", call.at);
    field("module", call.module);
    text += fmt::format(R"(,"address":"{:#x}"}})", call.address);
  }

  void write_stack(const std::vector<StackFrame>& stack) {
    const auto [known, first] = stacks_.try_emplace(&stack);
    if (!first) {
      text += known->second;
      return;
    }
    const std::size_t begin = text.size();
    for (const StackFrame& call : stack) {
      if (is_plumbing(call)) continue;
      if (text.size() > begin) text += ',';
      write(call);
    }
    known->second = text.substr(begin);
  }

  void write(const FiberView& fiber) {
    text += R"({"call":)";
    quote(text, fiber.call);
    elements("descriptors", fiber.descriptors);
    text += R"(,"stack":[)";
    if (fiber.stack != nullptr) write_stack(*fiber.stack);
    text += "]}";
  }

  void write(const FrameView& frame) {
    text += '{';
    function(frame.function);
    field("at", frame.at);
    text += fmt::format(R"(,"address":"{:#x}")", frame.address);
    if (frame.fiber) {
      text += R"(,"fiber":)";
      write(*frame.fiber);
    }
    text += '}';
  }

  void write(const TaskView& task) {
    text += R"({"name":)";
    quote(text, task.name);
    text += fmt::format(R"(,"state":"{}")", name(task.state));
    field("awaits", task.awaits);
    if (task.since) text += fmt::format(R"(,"since":{})", seconds(*task.since));
    if (!task.started.file.empty()) field("started", task.started);
    elements("frames", task.frames);
    elements("children", task.children);
    if (task.left_out > 0) text += fmt::format(R"(,"left_out":{})", task.left_out);
    text += '}';
  }

  void write(const LoopView& loop) {
    text += fmt::format(R"({{"thread":{})", loop.thread);
    field("driver", loop.driver);
    text += fmt::format(R"(,"busy":{},"turn_for":{})", loop.busy, seconds(loop.turn_for));
    field("activity", loop.activity);
    text += fmt::format(R"(,"changed":{})", loop.changed);
    elements("tasks", loop.tasks);
    text += '}';
  }

  std::unordered_map<std::string, std::string> functions_;
  std::unordered_map<const std::vector<StackFrame>*, std::string> stacks_;
};

}  // namespace

std::string to_json(const ProcessView& view) {
  Writer writer;
  writer.write(view);
  return std::move(writer.text);
}

}  // namespace clearway::inspect
