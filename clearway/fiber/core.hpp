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

class FiberPool;

// What the C++ runtime knows of exceptions on one stack, as the Itanium C++ ABI lays it out
// (2.2.2).
struct ExceptionGlobals {
  // Word by word: a copy of the whole would have to wait until what was stored in parts is there.
  [[gnu::always_inline]] void swap(ExceptionGlobals& other) noexcept {
    std::swap(caught, other.caught);
    std::swap(uncaught, other.uncaught);
  }
  void* caught = nullptr;
  unsigned int uncaught = 0;
};

class Fiber final : public FiberRecord {
 public:
  using Body = void (*)(void*) noexcept;

  // Runs `body(argument)` on a fiber of this thread's pool, until it has finished or waits;
  // `parent` is resumed when it finishes later. Throws SystemError, or std::bad_alloc, when there
  // is none.
  static Fiber& start(PromiseBase& parent, Body body, void* argument);
  // Gives it back to the pool. One that has not finished is told that everything it waits for is
  // cancelled, now and at once, until it has.
  void release() noexcept;

  // The fiber that this thread stands on; null in tasks, and in what this library itself does on
  // behalf of a fiber.
  static Fiber* current() noexcept;
  // The same; throws UsageError, which says where it can be used, when there is none.
  static Fiber& current_for(const char* function);

  [[nodiscard]] PromiseBase& promise() noexcept { return frame_.promise; }
  [[nodiscard]] bool finished() const noexcept { return frame_.resume == nullptr; }

  // On the fiber itself: lets the thread go on with something else until the frame is resumed.
  void leave() noexcept;
  // Nobody waits for it any more: it must come to its end without leave().
  [[nodiscard]] bool abandoned() const noexcept { return abandoned_; }

  // A blocking call of it was told that it has been cancelled.
  [[nodiscard]] bool interrupted() const noexcept { return interrupted_; }
  // Counts these; gives how many there were.
  std::uint32_t interrupt() noexcept {
    interrupted_ = true;
    return ++interruptions_;
  }

  // The mutexes that it holds, as far as the libc hooks are there to see.
  [[nodiscard]] LockList& locks() noexcept { return locks_; }
  // Memory that lives until the fiber has finished, or until the next call.
  void* storage(std::size_t size);

  // For FiberLane: who comes after it.
  Fiber* next_in_lane = nullptr;

  // Completion
  PromiseBase* finished(PromiseBase& child) noexcept override;
  [[nodiscard]] PromiseBase* waiting_frame() const noexcept override { return parent_; }
  [[nodiscard]] const char* task_name(const PromiseBase& child) const noexcept override;

  // An abandoned fiber that does not come to its end: it is left where it is, with its stack.
  [[noreturn]] void give_up() noexcept;

  // For the handler of stack overflows: the fiber whose stack this thread stands on, and its guard.
  static Fiber* entered() noexcept;
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

  explicit Fiber(char* stack);
  ~Fiber() { identity_.destroy(); }
  static void resume_frame(void* frame);
  struct Entry;
  void prepare(PromiseBase& parent, Body body, void* argument) noexcept;
  void enter() noexcept;
  void switch_away() noexcept;
  void leave_stack() noexcept;
  void end() noexcept;

  Frame frame_;
  PromiseBase* parent_ = nullptr;
  Body body_ = nullptr;
  void* argument_ = nullptr;
  char* stack_;
  ExceptionGlobals exceptions_;  // of its stack; while it runs, of its resumer's
  FloatControl float_control_;   // as it was when it left its stack, and its resumer
  FloatControl resumer_float_control_;
  std::uint32_t interruptions_ = 0;
  bool interrupted_ = false;
  bool abandoned_ = false;
  bool lost_ = false;      // it did not end when it had to: its stack is given up
  bool deferred_ = false;  // its function has not begun yet
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
  explicit OnBehalf(Fiber& fiber) noexcept;
  OnBehalf(const OnBehalf&) = delete;
  OnBehalf& operator=(const OnBehalf&) = delete;
  ~OnBehalf();

 private:
  Fiber& fiber_;
};

// On `fiber`, which is current: runs `child` to its end, while other tasks go on. The result is in
// its promise.
void await_on_fiber(Fiber& fiber, PromiseBase& child);

// Fibers of this thread, running, waiting and idle, for tests and benchmarks.
struct FiberCounts {
  std::size_t made = 0;
  std::size_t idle = 0;
};
FiberCounts fiber_counts() noexcept;

}  // namespace clearway::detail
