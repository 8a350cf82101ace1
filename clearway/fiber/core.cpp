#include <clearway/fiber/core.hpp>

#include <cerrno>
#include <cstring>
#include <memory>

#include <clearway/base/error.hpp>
#include <clearway/base/log.hpp>
#include <clearway/fiber/lane.hpp>
#include <clearway/fiber/locks.hpp>
#include <clearway/fiber/pool.hpp>
#include <clearway/task/trace.hpp>

namespace clearway::detail {

namespace {

[[gnu::noinline]] FiberPool& make_pool() {
  static thread_local std::unique_ptr<FiberPool> owner;
  owner = std::make_unique<FiberPool>();
  this_fiber_thread.pool = owner.get();
  return *owner;
}

[[noreturn]] void destroy_frame(void*) {
  log::write(log::Level::error, "fiber", "a fiber was destroyed as if it were a coroutine");
  std::abort();
}

}  // namespace

FiberCounts fiber_counts() noexcept {
  const FiberPool* pool = this_fiber_thread.pool;
  return pool == nullptr ? FiberCounts() : pool->counts();
}

Fiber* Fiber::current() noexcept { return this_fiber_thread.current; }
Fiber* Fiber::entered() noexcept { return this_fiber_thread.entered; }

Fiber& Fiber::current_for(const char* function) {
  if (Fiber* fiber = this_fiber_thread.current) return *fiber;
  const std::string name = function;
  if (running_frame() != nullptr) {
    throw UsageError(name +
                     "() was called on the loop itself, in a task: it would stop the loop, and "
                     "with it what it waits for. Write co_await there; " +
                     name + "() is for functions that fiber::run() runs");
  }
  throw UsageError(name +
                   "() was called outside fibers: it is for functions that fiber::run() or "
                   "fiber::run_main() runs, and for what they call on the same thread");
}

// A processor predicts returns by the calls before them: between leaving one stack and coming back
// to it there must be as many returns as calls. Hence these are inlined.
//
// A stack that yields inside a catch block and says `throw;` later must find its own exception
// there: the runtime's list of them is swapped with the stack.
[[gnu::always_inline]] inline void Fiber::enter() noexcept {
  ExceptionGlobals& globals = *this_fiber_thread.exceptions;
  exceptions_.swap(globals);
  Fiber* const entered = std::exchange(this_fiber_thread.entered, this);

  sanitizer::Side side;
  const void* stack = nullptr;
  std::size_t size = 0;
  resumer_identity_ = sanitizer::Identity::current();
  identity_.switch_to();
  side.leaving(stack_ + StackPool::guard_size, StackPool::size - StackPool::guard_size);
  resumer_float_control_.save();
  switch_stack(context, this);
  if (float_control_.differs(resumer_float_control_)) resumer_float_control_.restore();
  side.arrived(stack, size);

  this_fiber_thread.entered = entered;
  exceptions_.swap(globals);
}

[[gnu::always_inline]] inline void Fiber::leave_stack() noexcept {
  side_.leaving(resumer_stack_, resumer_stack_size_);
  resumer_identity_.switch_to();
  float_control_.save();
  switch_stack(context, nullptr);
  side_.arrived(resumer_stack_, resumer_stack_size_);
}

[[gnu::always_inline]] inline void Fiber::switch_away() noexcept {
  leave_stack();
  if (float_control_.differs(resumer_float_control_)) float_control_.restore();
}

// The far end of the stack: what runs on the fiber, one body after the other. Each begins with the
// control words of the task that starts it.
struct Fiber::Entry {
  static void run(void* argument) {
    Fiber& fiber = *static_cast<Fiber*>(argument);
    fiber.side_.arrived(fiber.resumer_stack_, fiber.resumer_stack_size_);
    for (;;) {
      this_fiber_thread.current = &fiber;
      fiber.body_(fiber.argument_);
      this_fiber_thread.current = nullptr;
      fiber.frame_.resume = nullptr;
      fiber.leave_stack();
    }
  }
};

Fiber::Fiber(char* stack) : stack_(stack), identity_(sanitizer::Identity::make()) {
  frame_.destroy = destroy_frame;
  frame_.owner = this;
  context = make_context<Entry::run>(this, StackPool::size);
}

// Nobody waits for it any more.
[[gnu::noinline]] void Fiber::end() noexcept {
  Loop* const loop = Loop::current_or_null();
  if (std::exchange(deferred_, false)) {
    if (loop != nullptr) loop->service<FiberLane>().remove(*this);
    frame_.resume = nullptr;
    return;
  }
  abandoned_ = true;
  void* const running = loop == nullptr ? nullptr : std::exchange(loop->running, &promise());
  enter();
  if (loop != nullptr) loop->running = running;
  if (!finished()) lost_ = true;
  if (lost_ && this_fiber_thread.pool != nullptr) this_fiber_thread.pool->lose();
}

void Fiber::release() noexcept {
  if (!finished()) end();
  if (lost_) return;
  if (storage_.capacity() > 0) std::vector<char>().swap(storage_);
  if (this_fiber_thread.pool != nullptr) this_fiber_thread.pool->release(*this);
}

[[gnu::always_inline]] inline void Fiber::prepare(PromiseBase& parent, Body body,
                                                  void* argument) noexcept {
  parent_ = &parent;
  outer = ParentLink(parent);
  body_ = body;
  argument_ = argument;
  interrupted_ = false;
  interruptions_ = 0;
  abandoned_ = false;
  locks_.clear();
  frame_.resume = resume_frame;
  frame_.promise.parent = ParentLink(*this);
  frame_.promise.scope = parent.scope;
  frame_.promise.origin = parent.origin;
  frame_.promise.awaiting = parent.awaiting;
}

Fiber& Fiber::start(PromiseBase& parent, Body body, void* argument) {
  Loop& loop = *Loop::current_or_null();
  FiberLane* lane = nullptr;
  if (FiberLane::crowded(loop)) [[unlikely]] {
    lane = &loop.service<FiberLane>();
  }
  FiberPool* const pool = this_fiber_thread.pool;
  Fiber& fiber = (pool != nullptr ? *pool : make_pool()).acquire();
  fiber.prepare(parent, body, argument);
  if (lane != nullptr) [[unlikely]] {
    fiber.deferred_ = true;
    lane->push(fiber);
    return fiber;
  }
  void* const before = std::exchange(loop.running, &fiber.frame_.promise);
  fiber.enter();
  loop.running = before;
  return fiber;
}

void Fiber::resume_frame(void* frame) {
  Fiber& fiber = *static_cast<Frame*>(frame)->owner;
  fiber.deferred_ = false;
  fiber.enter();
}

void Fiber::leave() noexcept {
  const int code = errno;
  switch_away();
  errno = code;
}

void Fiber::give_up() noexcept {
  lost_ = true;
  log::write(log::Level::error, "fiber",
             "a fiber whose loop has failed goes on although every call of it is refused: its "
             "stack is given up");
  for (;;) leave();
}

void* Fiber::storage(std::size_t size) {
  storage_.assign(size, 0);
  return storage_.data();
}

PromiseBase* Fiber::finished(PromiseBase&) noexcept { return parent_; }
const char* Fiber::task_name(const PromiseBase&) const noexcept { return "fiber"; }

OnBehalf::OnBehalf(Fiber& fiber) noexcept : fiber_(fiber) { this_fiber_thread.current = nullptr; }
OnBehalf::~OnBehalf() { this_fiber_thread.current = &fiber_; }

void await_on_fiber(Fiber& fiber, PromiseBase& child) {
  const OnBehalf on_behalf(fiber);
  child.parent = ParentLink(fiber.promise());
  child.scope = fiber.promise().scope;
  if (fiber.abandoned()) throw Cancelled();
  if (start_inline(child)) return;
  const HeldLocks held(fiber, "fiber::await");
  fiber.leave();
  if (fiber.abandoned()) throw Cancelled();
}

}  // namespace clearway::detail
