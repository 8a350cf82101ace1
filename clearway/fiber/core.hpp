#pragma once

// A fiber: a function on a stack of its own, which can stop in the middle of any call. It belongs
// to one thread for good: C libraries keep pointers into their thread's memory (errno is one)
// across calls, and would use them on the wrong thread.
//
// To tasks a fiber is one more frame: it has a promise, with a scope and a place in the await
// chain, and is resumed as every frame is. For that it begins as coroutine frames begin with every
// compiler for this platform: the function that resumes it (null when it has finished), the one
// that destroys it, the promise. (The standard library makes its noop_coroutine in the same way.)
//
// A fiber that has finished keeps its stack and waits there for the next function: starting one
// costs no more than a switch.

#include <cstdint>
#include <utility>
#include <vector>

#include <clearway/fiber/lock_list.hpp>
#include <clearway/fiber/sanitizer.hpp>
#include <clearway/fiber/stack.hpp>
#include <clearway/fiber/switch.hpp>
#include <clearway/task/fiber_record.hpp>

namespace clearway::detail {

class Fiber;
class FiberPool;

// What the C++ runtime knows of exceptions on one stack, as the Itanium C++ ABI lays it out
// (2.2.2).
struct ExceptionGlobals {
  // Word by word: a copy of the whole would have to wait until what was stored in parts is there.
  // Where neither side handles an exception, which is nearly always, there is nothing to swap.
  [[gnu::always_inline]] void swap(ExceptionGlobals& other) noexcept {
    const auto difference =
        reinterpret_cast<std::uintptr_t>(caught) ^ reinterpret_cast<std::uintptr_t>(other.caught);
    if ((difference | (uncaught ^ other.uncaught)) == 0) [[likely]]
      return;
    std::swap(caught, other.caught);
    std::swap(uncaught, other.uncaught);
  }
  void* caught = nullptr;
  unsigned int uncaught = 0;
};

// What a thread knows of its fibers.
struct FiberThread {
  Fiber* current = nullptr;
  FiberPool* pool = nullptr;
  ExceptionGlobals* exceptions = nullptr;  // the runtime's, of the stack that runs
  int* error_number = nullptr;             // errno
  // For FiberLane: some wait in it; fibers have had their share of the turn numbered `turn`, which
  // began to count then.
  bool lane_waits = false;
  bool crowded = false;
  std::uint64_t turn = 0;
  Instant share_began{};
};
// As libraries that are linked to the program find theirs: in one instruction. (It is small enough
// for the room that the dynamic linker keeps for what is loaded later.)
[[gnu::tls_model("initial-exec")]] extern constinit thread_local FiberThread this_fiber_thread;

class Fiber final : public FiberRecord {
 public:
  using Body = void (*)(void*) noexcept;

  struct Started {
    Fiber* fiber;      // null: it has finished, and is back in the pool
    bool interrupted;  // it has finished, and is what interrupted() is about
  };
  // Runs `body(argument)` on a fiber of this thread's pool, until it has finished or waits;
  // `parent` is resumed when it finishes later. Throws SystemError, or std::bad_alloc, when there
  // is none.
  static Started start(PromiseBase& parent, Body body, void* argument);
  // Gives it back to the pool. One that has not finished is told that everything it waits for is
  // cancelled, now and at once, until it has.
  void release() noexcept;

  // The fiber that this thread stands on; null in tasks, and in what this library itself does on
  // behalf of a fiber.
  static Fiber* current() noexcept { return this_fiber_thread.current; }
  // The same; throws UsageError, which says where it can be used, when there is none.
  static Fiber& current_for(const char* function) {
    Fiber* const fiber = current();
    if (fiber == nullptr) [[unlikely]]
      explain_none(function);
    return *fiber;
  }

  [[nodiscard]] PromiseBase& promise() noexcept { return frame_.promise; }
  [[nodiscard]] auto handle() noexcept {
    return std::coroutine_handle<Frame::Promise>::from_promise(frame_.promise);
  }
  [[nodiscard]] bool finished() const noexcept { return frame_.resume == nullptr; }

  // On the fiber itself: lets the thread go on with something else until the frame is resumed.
  void leave() noexcept;
  // The same for fiber::await(). Throws Cancelled when nobody waits for the fiber any more.
  //
  // A processor predicts returns by the calls before them. Where this is inlined, there is one
  // return less, here and on the stack that goes on, that it does not expect.
  [[gnu::always_inline]] void wait() {
    if (locks_.empty()) [[likely]] {
      leave_here();
    } else {
      leave_with_locks();
    }
    if (abandoned()) [[unlikely]]
      refuse();
    if (this_fiber_thread.lane_waits || this_fiber_thread.crowded) [[unlikely]]
      give_way();
  }
  // The same behind a call, where waiting is not what usually happens: it takes registers.
  void wait_for_child();
  // In a handler: for the trace of the error, which has left fiber::await().
  void note_failed_await() noexcept;
  // Nobody waits for it any more: it must come to its end without leave().
  [[nodiscard]] bool abandoned() const noexcept { return state_.abandoned; }

  // A blocking call of it was told that it has been cancelled.
  [[nodiscard]] bool interrupted() const noexcept { return state_.interrupted; }
  // Counts these; gives how many there were.
  std::uint32_t interrupt() noexcept {
    state_.interrupted = true;
    return ++state_.interruptions;
  }

  // The mutexes that it holds, as far as the libc hooks are there to see.
  [[nodiscard]] LockList& locks() noexcept { return locks_; }
  // Memory that lives until the fiber has finished, or until the next call.
  void* storage(std::size_t size);

  // For FiberLane: who comes after it.
  Fiber* next_in_lane = nullptr;

  // Completion
  PromiseBase* finished(PromiseBase& child) noexcept override;
  [[nodiscard]] PromiseBase* waiting_frame() const noexcept override { return outer.frame(); }
  [[nodiscard]] const char* task_name(const PromiseBase& child) const noexcept override;

  // An abandoned fiber that does not come to its end: it is left where it is, with its stack.
  [[noreturn]] void give_up() noexcept;

  // For the handler of stack overflows: the fiber of this thread in whose stack `address` is, and
  // its guard.
  static const Fiber* of_stack(const char* address) noexcept;
  [[nodiscard]] const char* stack() const noexcept { return stack_; }

 private:
  friend class FiberPool;

  // The beginning of a coroutine frame.
  struct Frame {
    struct Promise final : PromiseBase {};

    void (*resume)(void* frame) = nullptr;
    void (*destroy)(void* frame) = nullptr;
    Promise promise;
    Fiber* owner = nullptr;
  };

  // Of one body; all of it at once is one word to clear.
  struct State {
    std::uint32_t interruptions = 0;
    bool interrupted = false;
    bool abandoned = false;
    bool lost = false;      // it did not end when it had to: its stack is given up
    bool deferred = false;  // its function has not begun yet
  };

  explicit Fiber(char* stack);
  ~Fiber() { identity_.destroy(); }
  static void resume_frame(void* frame);
  struct Entry;
  [[noreturn]] static void explain_none(const char* function);
  [[noreturn]] static void refuse();
  void leave_with_locks() noexcept;
  void give_way();
  static Started start_later(PromiseBase& parent, Body body, void* argument);
  static Fiber& acquire();
  void prepare(PromiseBase& parent, Body body, void* argument) noexcept;
  void give_back() noexcept;
  void enter() noexcept;
  [[gnu::always_inline]] void leave_stack() noexcept {
    side_.leaving(resumer_stack_, resumer_stack_size_);
    resumer_identity_.switch_to();
    float_control_.save();
    switch_stack(context, nullptr);
    side_.arrived(resumer_stack_, resumer_stack_size_);
  }
  [[gnu::always_inline]] void leave_here() noexcept {
    int* const number = this_fiber_thread.error_number;
    const int code = *number;
    leave_stack();
    if (float_control_.differs(resumer_float_control_)) float_control_.restore();
    *number = code;
  }
  void end() noexcept;

  Frame frame_;
  Body body_ = nullptr;
  void* argument_ = nullptr;
  char* stack_;
  ExceptionGlobals exceptions_;  // of its stack; while it runs, of its resumer's
  FloatControl float_control_;   // as it was when it left its stack, and its resumer
  FloatControl resumer_float_control_;
  State state_;
  Fiber* next_idle_ = nullptr;
  std::vector<char> storage_;
  LockList locks_;

  sanitizer::Identity identity_;
  sanitizer::Identity resumer_identity_;
  sanitizer::Side side_;
  const void* resumer_stack_ = nullptr;
  std::size_t resumer_stack_size_ = 0;
};

// What this library does on behalf of a fiber: there is no current fiber meanwhile.
class OnBehalf {
 public:
  explicit OnBehalf(Fiber& fiber) noexcept : fiber_(fiber) { this_fiber_thread.current = nullptr; }
  OnBehalf(const OnBehalf&) = delete;
  OnBehalf& operator=(const OnBehalf&) = delete;
  ~OnBehalf() { this_fiber_thread.current = &fiber_; }

 private:
  Fiber& fiber_;
};

// On `fiber`, which is current: runs `child` to its end, while other tasks go on. The result is in
// its promise.
inline void await_on_fiber(Fiber& fiber, PromiseBase& child) {
  const OnBehalf on_behalf(fiber);
  child.parent = ParentLink(fiber.promise());
  child.scope = fiber.promise().scope;
  if (fiber.abandoned()) throw Cancelled();
  if (!start_inline(child)) fiber.wait_for_child();
}

// Fibers of this thread, running, waiting and idle, for tests and benchmarks.
struct FiberCounts {
  std::size_t made = 0;
  std::size_t idle = 0;
};
FiberCounts fiber_counts() noexcept;

}  // namespace clearway::detail
