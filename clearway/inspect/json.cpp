// The snapshot as JSON.

#include <array>

#include <fmt/format.h>
#include <clearway/inspect/snapshot.hpp>

namespace clearway::inspect {
namespace {

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char character : text) {
    const auto code = static_cast<unsigned char>(character);
    if (character == '"' || character == '\\') {
      result += '\\';
      result += character;
    } else if (code < 0x20) {
      result += fmt::format("\\u{:04x}", code);
    } else {
      result += character;
    }
  }
  return result + '"';
}

std::string seconds(Duration length) {
  return fmt::format("{:.6f}", static_cast<double>(length.count()) / 1e9);
}

std::string to_json(const Place& place) {
  return fmt::format(R"({{"file":{},"line":{}}})", quoted(place.file), place.line);
}

template <class T, class Write>
std::string array(const std::vector<T>& elements, Write write) {
  std::string text = "[";
  for (const T& element : elements) {
    if (text.size() > 1) text += ',';
    text += write(element);
  }
  return text + "]";
}

std::string to_json(const StackFrame& call) {
  return fmt::format(R"({{"function":{},"name":{},"at":{},"module":{},"address":"{:#x}"}})",
                     quoted(call.function), quoted(short_name(call.function)), to_json(call.at),
                     quoted(call.module), call.address);
}

std::string to_json(const FiberView& fiber) {
  return fmt::format(
      R"({{"call":{},"descriptors":{},"stack":{}}})", quoted(fiber.call),
      array(fiber.descriptors, [](int descriptor) { return std::to_string(descriptor); }),
      array(fiber.stack, [](const StackFrame& call) { return to_json(call); }));
}

std::string to_json(const FrameView& frame) {
  return fmt::format(R"({{"function":{},"name":{},"at":{},"address":"{:#x}"{}}})",
                     quoted(frame.function), quoted(short_name(frame.function)), to_json(frame.at),
                     frame.address, frame.fiber ? R"(,"fiber":)" + to_json(*frame.fiber) : "");
}

const char* name(TaskState state) {
  constexpr std::array names = {"running", "ready", "waiting", "cancelled", "children"};
  return names[static_cast<std::size_t>(state)];
}

std::string to_json(const TaskView& task) {
  std::string text = fmt::format(R"({{"name":{},"state":"{}","awaits":{})", quoted(task.name),
                                 name(task.state), quoted(task.awaits));
  if (task.since) text += fmt::format(R"(,"since":{})", seconds(*task.since));
  if (!task.started.file.empty()) text += fmt::format(R"(,"started":{})", to_json(task.started));
  text +=
      R"(,"frames":)" + array(task.frames, [](const FrameView& frame) { return to_json(frame); });
  text += R"(,"children":)" +
          array(task.children, [](const TaskView& child) { return to_json(child); });
  return text + "}";
}

std::string to_json(const LoopView& loop) {
  std::string text =
      fmt::format(R"({{"thread":{},"driver":{},"busy":{},"turn_for":{},"activity":{})", loop.thread,
                  quoted(loop.driver), loop.busy, seconds(loop.turn_for), quoted(loop.activity));
  text += fmt::format(R"(,"changed":{},"tasks":)", loop.changed);
  text += array(loop.tasks, [](const TaskView& task) { return to_json(task); });
  return text + "}";
}

}  // namespace

std::string to_json(const ProcessView& view) {
  return fmt::format(R"({{"process":{},"name":{},"loops":{}}})", view.process, quoted(view.name),
                     array(view.loops, [](const LoopView& loop) { return to_json(loop); })) +
         "\n";
}

}  // namespace clearway::inspect
