#include <clearway/fiber/core.hpp>

#include <cerrno>
#include <cstring>
#include <memory>

#include <clearway/base/error.hpp>
#include <clearway/base/log.hpp>
#include <clearway/fiber/lane.hpp>
#include <clearway/fiber/locks.hpp>
#include <clearway/fiber/pool.hpp>
#include <clearway/fiber/wait.hpp>
#include <clearway/task/trace.hpp>

namespace clearway::detail {

namespace {

// Destructors of static and of thread-local objects may run fibers when the thread's pool has gone:
// theirs stays.
[[gnu::noinline]] FiberPool& make_pool() {
  static constinit thread_local bool ended = false;
  struct Owner {
    std::unique_ptr<FiberPool> pool;
    ~Owner() { ended = true; }
  };
  FiberPool* const pool = new FiberPool;
  this_fiber_thread.pool = pool;
  if (!ended) {
    static thread_local Owner owner;
    owner.pool.reset(pool);
  }
  return *pool;
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

const Fiber* Fiber::of_stack(const char* address) noexcept {
  const FiberPool* const pool = this_fiber_thread.pool;
  return pool == nullptr ? nullptr : pool->of_stack(address);
}

void Fiber::explain_none(const char* function) {
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

  exceptions_.swap(globals);
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
  frame_.promise.parent = ParentLink(*this);
  frame_.destroy = destroy_frame;
  frame_.owner = this;
  context = make_context<Entry::run>(this, StackPool::size);
}

// Nobody waits for it any more.
[[gnu::noinline]] void Fiber::end() noexcept {
  Loop* const loop = Loop::current_or_null();
  if (std::exchange(state_.deferred, false)) {
    if (loop != nullptr) loop->service<FiberLane>().remove(*this);
    frame_.resume = nullptr;
    return;
  }
  state_.abandoned = true;
  void* const running = loop == nullptr ? nullptr : std::exchange(loop->running, &promise());
  enter();
  if (loop != nullptr) loop->running = running;
  if (!finished()) state_.lost = true;
  if (state_.lost && this_fiber_thread.pool != nullptr) this_fiber_thread.pool->lose();
}

[[gnu::always_inline]] inline void Fiber::give_back() noexcept {
  if (storage_.capacity() > 0) [[unlikely]]
    std::vector<char>().swap(storage_);
  if (FiberPool* const pool = this_fiber_thread.pool) pool->release(*this);
}

void Fiber::release() noexcept {
  if (!finished()) end();
  if (!state_.lost) give_back();
}

[[gnu::always_inline]] inline void Fiber::prepare(PromiseBase& parent, Body body,
                                                  void* argument) noexcept {
  outer = ParentLink(parent);
  body_ = body;
  argument_ = argument;
  state_ = {};
  locks_.clear();
  frame_.resume = resume_frame;
  frame_.promise.scope = parent.scope;
  frame_.promise.origin = parent.origin;
  frame_.promise.awaiting = parent.awaiting;
}

[[gnu::always_inline]] inline Fiber& Fiber::acquire() {
  FiberPool* const pool = this_fiber_thread.pool;
  return (pool != nullptr ? *pool : make_pool()).acquire();
}

Fiber::Started Fiber::start(PromiseBase& parent, Body body, void* argument) {
  Loop& loop = *Loop::current_or_null();
  if (FiberLane::crowded(loop)) [[unlikely]]
    return start_later(parent, body, argument);
  Fiber& fiber = acquire();
  fiber.prepare(parent, body, argument);
  void* const before = std::exchange(loop.running, &fiber.frame_.promise);
  fiber.enter();
  loop.running = before;
  if (!fiber.finished()) return {.fiber = &fiber, .interrupted = false};
  const bool interrupted = fiber.interrupted();
  fiber.give_back();
  return {.fiber = nullptr, .interrupted = interrupted};
}

[[gnu::noinline]] Fiber::Started Fiber::start_later(PromiseBase& parent, Body body,
                                                    void* argument) {
  auto& lane = Loop::current().service<FiberLane>();
  Fiber& fiber = acquire();
  fiber.prepare(parent, body, argument);
  fiber.state_.deferred = true;
  lane.push(fiber);
  return {.fiber = &fiber, .interrupted = false};
}

void Fiber::resume_frame(void* frame) {
  Fiber& fiber = *static_cast<Frame*>(frame)->owner;
  fiber.state_.deferred = false;
  fiber.enter();
}

void Fiber::leave() noexcept { leave_here(); }

void Fiber::wait_for_child() { wait(); }

void Fiber::leave_with_locks() noexcept {
  const HeldLocks held(*this, "fiber::await");
  leave();
}

// What it does now may take as long as what others do after a blocking call.
void Fiber::give_way() {
  if (!FiberLane::crowded(*Loop::current_or_null())) return;
  FiberWait(*this, "fiber::await").yield();
  if (abandoned()) refuse();
}

void Fiber::refuse() { throw Cancelled(); }

void Fiber::note_failed_await() noexcept {
  promise().error = std::current_exception();
  note_error(promise());
  promise().error = nullptr;
}

void Fiber::give_up() noexcept {
  state_.lost = true;
  log::write(log::Level::error, "fiber",
             "a fiber whose loop has failed goes on although every call of it is refused: its "
             "stack is given up");
  for (;;) leave();
}

void* Fiber::storage(std::size_t size) {
  storage_.assign(size, 0);
  return storage_.data();
}

PromiseBase* Fiber::finished(PromiseBase&) noexcept { return outer.frame(); }
const char* Fiber::task_name(const PromiseBase&) const noexcept { return "fiber"; }

}  // namespace clearway::detail
