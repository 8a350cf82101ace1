// pthread_mutex_lock, _trylock, _unlock: which mutexes a fiber holds. See fiber/locks.hpp.

#include <pthread.h>
#include <clearway/fiber_hooks/real.hpp>
#include <clearway/fiber_hooks/self_test.hpp>

const char clearway::hooks::mutex_part = 0;

using namespace clearway;
using namespace clearway::hooks;

namespace {

// Fibers only: what tasks and threads lock is their business.
bool on_fiber() noexcept {
  const FiberHost* const there = attached.load(std::memory_order_relaxed);
  return there != nullptr && there->is_fiber();
}

}  // namespace

CLEARWAY_HOOK int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  if (!on_fiber()) return real_mutex_lock(mutex);
  host().before_lock(mutex);
  const int outcome = real_mutex_lock(mutex);
  if (outcome == 0) host().locked(mutex, CLEARWAY_CALLER);
  return outcome;
}

CLEARWAY_HOOK int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  if (!on_fiber()) return real_mutex_trylock(mutex);
  if (host().locked_by_waiting(mutex)) return EBUSY;
  const int outcome = real_mutex_trylock(mutex);
  if (outcome == 0) host().locked(mutex, CLEARWAY_CALLER);
  return outcome;
}

CLEARWAY_HOOK int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  if (on_fiber()) host().unlocked(mutex);
  return real_mutex_unlock(mutex);
}
