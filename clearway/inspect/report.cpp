// The text of a stall's report.

#include <fmt/format.h>
#include <clearway/inspect/names.hpp>
#include <clearway/inspect/watchdog.hpp>

namespace clearway::inspect {
namespace {

std::string where(const Place& place) {
  return place.file.empty() ? "" : fmt::format(" at {}:{}", file_name(place.file), place.line);
}

// From here outwards it is the loop that runs tasks, which is known.
bool is_runtime(const StackFrame& frame) {
  return frame.function.find("clearway::Loop::") != std::string::npos ||
         frame.function.starts_with("clearway::resume(") || frame.function == "clearway::resume" ||
         frame.function.find("clearway::detail::Root::drive") != std::string::npos;
}

std::string activity(const StallReport& report) {
  std::string text = printable(report.activity);
  if (report.watched > Duration::zero()) {
    text += fmt::format(" (on a processor for {} of the last {}", to_text(report.processor),
                        to_text(report.watched));
    if (report.starved > report.watched / 10) {
      text += fmt::format(", waited {} for one", to_text(report.starved));
    }
    text += ')';
  }
  return text;
}

}  // namespace

std::string to_text(const StallReport& report) {
  const std::string who =
      report.task.empty() ? "what was posted to it, or a timer," : "task " + printable(report.task);
  std::string text = fmt::format("the loop of thread {} has been blocked for {}\n  by {}: it {}\n",
                                 report.thread, to_text(report.blocked), who, activity(report));
  if (report.callbacks > 0) {
    text += fmt::format("  {} others had their share of this turn before\n", report.callbacks);
  }
  if (!report.await_chain.empty()) text += "  tasks:\n";
  for (const FrameView& frame : report.await_chain) {
    text += fmt::format("    in {}{}\n", printable(short_name(frame.function)), where(frame.at));
  }
  if (report.stack.empty()) {
    text += fmt::format("  no C++ stack: {}\n", report.no_stack);
  } else {
    text += "  C++ stack:\n";
  }
  for (const StackFrame& frame : report.stack) {
    if (is_runtime(frame)) break;
    const std::string name =
        frame.function.empty() ? fmt::format("{:#x}", frame.address) : brief_name(frame.function);
    const std::string module = frame.module.empty() ? "" : " in " + frame.module;
    text += fmt::format("    {}{}{}\n", name, where(frame.at), module);
  }
  if (report.left_out > 0) {
    text += fmt::format("  {} reports before this one were left out\n", report.left_out);
  }
  text.pop_back();
  return text;
}

}  // namespace clearway::inspect
