// Mutexes and read-write locks: which of them a fiber holds, and waiting for those that another
// fiber of the thread holds in its sleep. See fiber/locks.hpp.

#include <algorithm>
#include <ctime>

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

// A call that waits for what a fiber of its own thread holds: it looks again every millisecond,
// until its time is over, if it has one.
class Turns {
 public:
  explicit Turns(const char* call) noexcept : call_(call) {}
  Turns(const char* call, clockid_t clock, const timespec* until) noexcept
      : call_(call), clock_(clock), until_(until) {}

  // False: the time is over.
  bool wait() const noexcept {
    constexpr std::int64_t moment = 1'000'000;
    std::int64_t length = moment;
    timespec present{};
    if (until_ != nullptr && ::clock_gettime(clock_, &present) == 0) {
      length = std::min(moment, nanoseconds(*until_) - nanoseconds(present));
      if (length <= 0) return false;
    }
    host().pause(call_, length);
    return true;
  }

 private:
  const char* call_;
  clockid_t clock_ = CLOCK_REALTIME;
  const timespec* until_ = nullptr;
};

template <class Lock>
int noted(Lock* lock, int outcome, const void* caller) noexcept {
  // EOWNERDEAD: it is locked, after the end of a thread that held it.
  if (outcome == 0 || outcome == EOWNERDEAD) host().locked(lock, caller);
  return outcome;
}

// `call` is libc's, made when no fiber of this thread is in the way.
template <class Lock, class Call>
int lock_on_fiber(Lock* lock, Turns turns, const void* caller, Call call) noexcept {
  while (host().locked_by_waiting(lock)) {
    if (!turns.wait()) return ETIMEDOUT;
  }
  return noted(lock, call(), caller);
}

// Readers go in together; and when a fiber that waits is one of them, none may stop the thread for
// the writer of another thread that waits for it.
template <class Call>
int read_lock_on_fiber(pthread_rwlock_t* lock, Turns turns, const void* caller,
                       Call call) noexcept {
  int outcome = EBUSY;
  while (outcome == EBUSY && host().locked_by_waiting(lock)) {
    outcome = real_rwlock_tryrdlock(lock);
    if (outcome == EBUSY && !turns.wait()) return ETIMEDOUT;
  }
  if (outcome == EBUSY) outcome = call();
  if (outcome == 0) host().locked(lock, caller);
  return outcome;
}

}  // namespace

CLEARWAY_HOOK int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  if (!on_fiber()) return real_mutex_lock(mutex);
  return lock_on_fiber(mutex, Turns("pthread_mutex_lock"), CLEARWAY_CALLER,
                       [=] { return real_mutex_lock(mutex); });
}

CLEARWAY_HOOK int pthread_mutex_timedlock(pthread_mutex_t* mutex, const timespec* until) noexcept {
  if (!on_fiber()) return real_mutex_timedlock(mutex, until);
  return lock_on_fiber(mutex, Turns("pthread_mutex_timedlock", CLOCK_REALTIME, until),
                       CLEARWAY_CALLER, [=] { return real_mutex_timedlock(mutex, until); });
}

CLEARWAY_HOOK int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock,
                                          const timespec* until) noexcept {
  if (!on_fiber()) return real_mutex_clocklock(mutex, clock, until);
  return lock_on_fiber(mutex, Turns("pthread_mutex_clocklock", clock, until), CLEARWAY_CALLER,
                       [=] { return real_mutex_clocklock(mutex, clock, until); });
}

CLEARWAY_HOOK int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  if (!on_fiber()) return real_mutex_trylock(mutex);
  if (host().locked_by_waiting(mutex)) return EBUSY;
  return noted(mutex, real_mutex_trylock(mutex), CLEARWAY_CALLER);
}

CLEARWAY_HOOK int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  if (on_fiber()) host().unlocked(mutex);
  return real_mutex_unlock(mutex);
}

CLEARWAY_HOOK int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  if (!on_fiber()) return real_rwlock_wrlock(lock);
  return lock_on_fiber(lock, Turns("pthread_rwlock_wrlock"), CLEARWAY_CALLER,
                       [=] { return real_rwlock_wrlock(lock); });
}

CLEARWAY_HOOK int pthread_rwlock_timedwrlock(pthread_rwlock_t* lock,
                                             const timespec* until) noexcept {
  if (!on_fiber()) return real_rwlock_timedwrlock(lock, until);
  return lock_on_fiber(lock, Turns("pthread_rwlock_timedwrlock", CLOCK_REALTIME, until),
                       CLEARWAY_CALLER, [=] { return real_rwlock_timedwrlock(lock, until); });
}

CLEARWAY_HOOK int pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock,
                                             const timespec* until) noexcept {
  if (!on_fiber()) return real_rwlock_clockwrlock(lock, clock, until);
  return lock_on_fiber(lock, Turns("pthread_rwlock_clockwrlock", clock, until), CLEARWAY_CALLER,
                       [=] { return real_rwlock_clockwrlock(lock, clock, until); });
}

CLEARWAY_HOOK int pthread_rwlock_trywrlock(pthread_rwlock_t* lock) noexcept {
  if (!on_fiber()) return real_rwlock_trywrlock(lock);
  return noted(lock, real_rwlock_trywrlock(lock), CLEARWAY_CALLER);
}

CLEARWAY_HOOK int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  if (!on_fiber()) return real_rwlock_rdlock(lock);
  return read_lock_on_fiber(lock, Turns("pthread_rwlock_rdlock"), CLEARWAY_CALLER,
                            [=] { return real_rwlock_rdlock(lock); });
}

CLEARWAY_HOOK int pthread_rwlock_timedrdlock(pthread_rwlock_t* lock,
                                             const timespec* until) noexcept {
  if (!on_fiber()) return real_rwlock_timedrdlock(lock, until);
  return read_lock_on_fiber(lock, Turns("pthread_rwlock_timedrdlock", CLOCK_REALTIME, until),
                            CLEARWAY_CALLER, [=] { return real_rwlock_timedrdlock(lock, until); });
}

CLEARWAY_HOOK int pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock,
                                             const timespec* until) noexcept {
  if (!on_fiber()) return real_rwlock_clockrdlock(lock, clock, until);
  return read_lock_on_fiber(lock, Turns("pthread_rwlock_clockrdlock", clock, until),
                            CLEARWAY_CALLER,
                            [=] { return real_rwlock_clockrdlock(lock, clock, until); });
}

CLEARWAY_HOOK int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) noexcept {
  if (!on_fiber()) return real_rwlock_tryrdlock(lock);
  return noted(lock, real_rwlock_tryrdlock(lock), CLEARWAY_CALLER);
}

CLEARWAY_HOOK int pthread_rwlock_unlock(pthread_rwlock_t* lock) noexcept {
  if (on_fiber()) host().unlocked(lock);
  return real_rwlock_unlock(lock);
}
