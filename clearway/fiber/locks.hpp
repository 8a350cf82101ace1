#pragma once

// Mutexes belong to threads: a fiber that waits while it holds one leaves it locked for the whole
// thread. The next fiber to lock it would stop the thread for ever, or, if it is recursive, be let
// in as well. The hooks of pthread_mutex_lock() and _unlock() tell us what fibers hold.
//
// So a fiber that waits with a mutex held is reported, once per place where it was locked, and
// another fiber of its thread that locks the same mutex waits until it is free.

#include <clearway/fiber/core.hpp>

namespace clearway::detail {

// While a fiber waits: others of its thread can ask what it holds. Reports it when it holds some.
class HeldLocks {
 public:
  HeldLocks(Fiber& fiber, const char* call) noexcept;
  HeldLocks(const HeldLocks&) = delete;
  HeldLocks& operator=(const HeldLocks&) = delete;
  ~HeldLocks();

  // A waiting fiber of this thread holds `mutex`.
  static bool any_holds(const void* mutex) noexcept;

 private:
  Fiber& fiber_;
  HeldLocks* next_ = nullptr;
  HeldLocks* previous_ = nullptr;
  bool listed_ = false;
};

}  // namespace clearway::detail
