#pragma once

// What every coroutine frame of Clearway knows, whatever it returns: who waits for it, in which
// cancel scope it runs, where it was written and where it waits. Readers: the resume loop below,
// the error trace (trace.hpp) and inspectors.
//
// Frames are resumed inline: an await runs the child inside the parent's await_suspend and goes on
// without suspending when the child has finished. A child that finishes later hands its parent to
// the loop in resume(), which runs it with the stack unwound. So neither a million ready awaits nor
// a chain of a million completions deepens the stack, at any optimisation level.

#include <bit>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <new>
#include <source_location>
#include <typeinfo>

#include <clearway/base/frame_memory.hpp>
#include <clearway/loop/loop.hpp>
#include <clearway/task/cancelled.hpp>
#include <clearway/task/scope.hpp>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ == 12 && __GNUC_MINOR__ < 3
#define CLEARWAY_CHECK_FRAME_LAYOUT 1
#else
#define CLEARWAY_CHECK_FRAME_LAYOUT 0
#endif

namespace clearway {

using Site = std::source_location;

// A Site as a default argument of what is called in a co_await expression: g++ keeps a Site that is
// made there in the frame, and this word not.
using SiteWord = decltype(__builtin_source_location());
inline Site site_of(SiteWord word) noexcept {
  static_assert(sizeof(Site) == sizeof(SiteWord));
  return std::bit_cast<Site>(word);
}

struct PromiseBase;
class Completion;

// Who waits for a frame: one word, tagged, so that inspectors can follow it from outside.
class ParentLink {
 public:
  enum class Kind : std::uintptr_t { frame = 0, completion = 1, fiber = 2, thread = 3 };

  ParentLink() noexcept = default;
  explicit ParentLink(PromiseBase& frame) noexcept
      : word_(reinterpret_cast<std::uintptr_t>(&frame)) {}
  explicit ParentLink(Completion& completion) noexcept
      : word_(reinterpret_cast<std::uintptr_t>(&completion) |
              static_cast<std::uintptr_t>(Kind::completion)) {}

  [[nodiscard]] Kind kind() const noexcept { return static_cast<Kind>(word_ & 3); }
  [[nodiscard]] PromiseBase* frame() const noexcept {
    return kind() == Kind::frame ? reinterpret_cast<PromiseBase*>(word_) : nullptr;
  }
  [[nodiscard]] Completion* completion() const noexcept {
    return kind() == Kind::completion ? reinterpret_cast<Completion*>(word_ & ~std::uintptr_t{3})
                                      : nullptr;
  }

 private:
  std::uintptr_t word_ = 0;
};

// Someone who is told when a frame has finished, where that is not simply the awaiting frame.
class Completion {
 public:
  // The frame `child` has finished. Gives the frame to resume next, or null.
  virtual PromiseBase* finished(PromiseBase& child) noexcept = 0;
  // For traces: the frame that waits for this completion (null: none), where `child` was started,
  // and the name that the program gave to that task (null: none).
  [[nodiscard]] virtual PromiseBase* waiting_frame() const noexcept = 0;
  [[nodiscard]] virtual Site spawn_site(const PromiseBase& child) const noexcept {
    (void)child;
    return {};
  }
  [[nodiscard]] virtual const char* task_name(const PromiseBase& child) const noexcept {
    (void)child;
    return nullptr;
  }

  // The same as waiting_frame(), for those who read this from outside: that frame, or a completion
  // that this one is a part of.
  ParentLink outer;

 protected:
  ~Completion() = default;
};

// Called from unhandled_exception: remembers where `frame`'s error came from; see trace.hpp.
void note_error(PromiseBase& frame) noexcept;
namespace detail {
// For a frame that is destroyed before anybody awaited it; see ~Task.
void report_never_awaited(const PromiseBase& frame) noexcept;
}  // namespace detail
// Ends the program with an explanation of GCC bug 106188.
[[noreturn]] void report_broken_frame(const Site& origin) noexcept;

struct PromiseBase {
  ParentLink parent;
  CancelScope* scope = nullptr;
  Site origin;    // the coroutine function
  Site awaiting;  // where it awaits, or awaited last
  std::exception_ptr error;

  PromiseBase() noexcept = default;
  PromiseBase(const PromiseBase&) = delete;
  PromiseBase& operator=(const PromiseBase&) = delete;

  [[nodiscard]] std::coroutine_handle<> handle() noexcept {
    return std::coroutine_handle<PromiseBase>::from_promise(*this);
  }

  [[nodiscard]] bool ended_cancelled() const noexcept {
    return error != nullptr && *error.__cxa_exception_type() == typeid(Cancelled);
  }

  // Who runs after this frame has finished.
  [[nodiscard]] PromiseBase* continuation() noexcept {
    if (Completion* completion = parent.completion()) return completion->finished(*this);
    return parent.frame();
  }

  std::suspend_always initial_suspend() const noexcept { return {}; }
  std::suspend_always final_suspend() const noexcept { return {}; }

  void unhandled_exception() noexcept {
    error = std::current_exception();
    note_error(*this);
  }

#if CLEARWAY_CHECK_FRAME_LAYOUT
  // g++ 12.2 lays out some frames wrongly (GCC bug 106188) and then runs wild in silence. The frame
  // must start where its memory starts; the check costs one comparison per frame.
  static void* operator new(std::size_t size) { return last_block = frame_memory::allocate(size); }
  void check_layout(std::coroutine_handle<> handle) const noexcept {
    if (handle.address() != last_block) report_broken_frame(origin);
  }
  static constinit thread_local void* last_block;
#else
  static void* operator new(std::size_t size) { return frame_memory::allocate(size); }
  void check_layout(std::coroutine_handle<> handle) const noexcept { (void)handle; }
#endif
  static void operator delete(void* block, std::size_t size) noexcept {
    frame_memory::release(block, size);
  }

 protected:
  ~PromiseBase() = default;
};

// Runs `frame` on, and then, one after the other, those that it completes.
inline void resume(PromiseBase& frame) {
  Loop& loop = *Loop::current_or_null();
  PromiseBase* next = &frame;
  do {
    loop.running = next;
    const std::coroutine_handle<> handle = next->handle();
    handle.resume();
    if (!handle.done()) break;
    next = next->continuation();
  } while (next != nullptr);
  loop.running = nullptr;
}

// Starts `child`, whose parent link and scope are set, inside the caller. True when it has
// finished.
inline bool start_inline(PromiseBase& child) {
  Loop& loop = *Loop::current_or_null();
  void* const before = loop.running;
  loop.running = &child;
  const std::coroutine_handle<> handle = child.handle();
  handle.resume();
  loop.running = before;
  return handle.done();
}

// The frame that runs now on this thread; null outside tasks.
inline PromiseBase* running_frame() noexcept {
  Loop* loop = Loop::current_or_null();
  return loop == nullptr ? nullptr : static_cast<PromiseBase*>(loop->running);
}

}  // namespace clearway
