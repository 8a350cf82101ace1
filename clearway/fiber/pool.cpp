#include <clearway/fiber/pool.hpp>

#include <memory>
#include <new>

#include <cxxabi.h>
#include <clearway/fiber/host_attach.hpp>
#include <clearway/fiber/overflow.hpp>

namespace clearway::detail {

constinit thread_local FiberThread this_fiber_thread;

FiberPool::FiberPool() {
  this_fiber_thread.exceptions = reinterpret_cast<ExceptionGlobals*>(abi::__cxa_get_globals());
  watch_for_overflow();
  attach_hooks();
}

// Fibers that are not idle hold their stacks' memory on: the pool ends with its thread, and whoever
// left them there has ended before.
FiberPool::~FiberPool() {
  if (counts_.idle != counts_.made) stacks_.keep();
  while (idle_ != nullptr) {
    Fiber& fiber = *idle_;
    idle_ = fiber.next_idle_;
    fiber.~Fiber();
  }
  this_fiber_thread.pool = nullptr;
  unwatch_for_overflow();
}

// The record stands at the high end of its own stack, so that a fiber that waits takes one page.
Fiber& FiberPool::make() {
  char* const stack = stacks_.make();
  constexpr std::size_t record = (sizeof(Fiber) + 63) / 64 * 64;
  auto* const place = stack + StackPool::size - record;
  Fiber* const fiber = ::new (static_cast<void*>(place)) Fiber(stack);
  ++counts_.made;
  return *fiber;
}

void FiberPool::release(Fiber& fiber) noexcept {
  if (counts_.idle >= warm) StackPool::trim(fiber.stack_, static_cast<char*>(fiber.context));
  fiber.next_idle_ = idle_;
  idle_ = &fiber;
  ++counts_.idle;
}

}  // namespace clearway::detail
