#include <clearway/fiber/pool.hpp>

#include <cerrno>
#include <new>

#include <cxxabi.h>
#include <clearway/fiber/host_attach.hpp>
#include <clearway/fiber/overflow.hpp>

namespace clearway::detail {

constinit thread_local FiberThread this_fiber_thread;

FiberPool::FiberPool() {
  this_fiber_thread.exceptions = reinterpret_cast<ExceptionGlobals*>(abi::__cxa_get_globals());
  this_fiber_thread.error_number = &errno;
  watch_for_overflow();
  attach_hooks();
}

// Fibers that are not idle hold their stacks' memory on: the pool ends with its thread, and whoever
// left them there has ended before.
FiberPool::~FiberPool() {
  if (warm_count_ + cold_count_ != stacks_.count()) stacks_.keep();
  destroy(warm_);
  destroy(cold_);
  this_fiber_thread.pool = nullptr;
  unwatch_for_overflow();
}

void FiberPool::destroy(Fiber* first) noexcept {
  while (first != nullptr) {
    Fiber& fiber = *first;
    first = fiber.next_idle_;
    fiber.~Fiber();
  }
}

// The record stands at the high end of its own stack, so that a fiber that waits takes one page.
void* FiberPool::record_of(char* stack) noexcept {
  constexpr std::size_t record = (sizeof(Fiber) + 63) / 64 * 64;
  return stack + StackPool::size - record;
}

const Fiber* FiberPool::of_stack(const char* address) const noexcept {
  char* const stack = stacks_.containing(address);
  return stack == nullptr ? nullptr : std::launder(static_cast<const Fiber*>(record_of(stack)));
}

Fiber& FiberPool::make() {
  char* const stack = stacks_.make();
  return *::new (record_of(stack)) Fiber(stack);
}

Fiber& FiberPool::acquire_cold() {
  if (cold_ == nullptr) return make();
  Fiber& fiber = *cold_;
  cold_ = fiber.next_idle_;
  --cold_count_;
  return fiber;
}

void FiberPool::release_cold(Fiber& fiber) noexcept {
  StackPool::trim(fiber.stack_, static_cast<char*>(fiber.context));
  fiber.next_idle_ = cold_;
  cold_ = &fiber;
  ++cold_count_;
}

}  // namespace clearway::detail
