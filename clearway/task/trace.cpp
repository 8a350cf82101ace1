#include <clearway/task/trace.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <clearway/base/log.hpp>

namespace clearway {
namespace {

// Holds the exception, since its address alone would be taken for the next one's.
struct LastError {
  std::exception_ptr exception;
  std::vector<TraceEntry> trace;
};

thread_local LastError last_error;

std::string_view file_name(const char* path) noexcept {
  const std::string_view whole = path;
  const std::size_t slash = whole.rfind('/');
  return slash == std::string_view::npos ? whole : whole.substr(slash + 1);
}

// Coroutines of the library's own that only pass something on.
bool is_internal(const TraceEntry& entry) noexcept {
  return entry.name.empty() &&
         std::string_view(entry.function.function_name()).find("clearway::detail::") !=
             std::string_view::npos;
}

}  // namespace

#if CLEARWAY_CHECK_FRAME_LAYOUT
constinit thread_local void* PromiseBase::last_block = nullptr;
#endif

void report_broken_frame(const Site& origin) noexcept {
  std::fprintf(stderr,
               "clearway: g++ %d.%d miscompiled the coroutine %s (%s:%u): GCC bug 106188.\n"
               "It has `if (co_await ...)`, `while (co_await ...)` or `switch (co_await ...)` in a "
               "body without local variables.\nAwait into a local variable first: "
               "`const auto result = co_await ...; if (result) ...`.\n",
               __GNUC__, __GNUC_MINOR__, origin.function_name(), origin.file_name(),
               static_cast<unsigned>(origin.line()));
  std::abort();
}

void detail::report_never_awaited(const PromiseBase& frame) noexcept {
  if (std::uncaught_exceptions() > 0) return;
  try {
    static std::mutex mutex;
    static std::set<std::pair<std::string_view, unsigned>> known;
    {
      const std::lock_guard lock(mutex);
      const Site& place = frame.origin;
      if (!known.emplace(place.file_name(), place.line()).second) return;
    }
    log::write(log::Level::warning, "task",
               fmt::format("a task was made and never awaited, so nothing of it has run: {} at "
                           "{}:{}. Write co_await where it is called, or hand it to gather() or a "
                           "task_group",
                           frame.origin.function_name(), file_name(frame.origin.file_name()),
                           frame.origin.line()));
  } catch (const std::exception&) {
    return;  // no memory to say so
  }
}

std::vector<TraceEntry> await_chain(const PromiseBase& frame) {
  std::vector<TraceEntry> chain;
  Site spawned;  // where the frame that comes next started the one before
  for (const PromiseBase* current = &frame; current != nullptr;) {
    chain.push_back({current->origin, spawned.line() != 0 ? spawned : current->awaiting, ""});
    spawned = Site();
    if (const Completion* completion = current->parent.completion()) {
      const char* const name = completion->task_name(*current);
      if (name != nullptr) chain.back().name = name;
      spawned = completion->spawn_site(*current);
      current = completion->waiting_frame();
    } else {
      current = current->parent.frame();
    }
  }
  return chain;
}

// The frame in which the exception began is the first to report it; the frames that it passes
// through on its way out report the same exception again.
void note_error(PromiseBase& frame) noexcept {
  if (frame.ended_cancelled() || frame.error == last_error.exception) return;
  try {
    last_error.trace = await_chain(frame);
    last_error.exception = frame.error;
  } catch (const std::bad_alloc&) {
    last_error = {};  // the error itself counts more than where it came from
  }
}

const std::vector<TraceEntry>& last_error_trace() noexcept { return last_error.trace; }

std::string to_string(const std::vector<TraceEntry>& trace) {
  std::string text;
  for (const TraceEntry& entry : trace) {
    if (is_internal(entry)) continue;
    text += fmt::format("  in {}", entry.function.function_name());
    if (!entry.name.empty()) text += fmt::format(" \"{}\"", entry.name);
    const Site& at = entry.at.line() != 0 ? entry.at : entry.function;
    text += fmt::format(" at {}:{}\n", file_name(at.file_name()), at.line());
  }
  return text;
}

}  // namespace clearway
