// nanosleep, clock_nanosleep, usleep, sleep, thrd_sleep, sched_yield, flock. Sleeps of fibers are
// timers of the loop: never shorter than asked, up to a millisecond longer.

#include <algorithm>
#include <ctime>

#include <sched.h>
#include <sys/file.h>
#include <unistd.h>
#include <clearway/fiber_hooks/real.hpp>

namespace clearway::hooks {
namespace {

constexpr std::int64_t second = 1'000'000'000;

bool valid(const timespec& length) noexcept {
  return length.tv_sec >= 0 && length.tv_nsec >= 0 && length.tv_nsec < second;
}

// 0, or what went wrong (ECANCELED), and how much was left then.
int sleep_on_fiber(const char* call, std::int64_t length, std::int64_t* left = nullptr) {
  const ErrnoOfFailures ended;
  const std::int64_t start = host().now();
  if (length <= 0) {
    host().yield();
    return ended(0);
  }
  const int outcome = host().wait(call, nullptr, 0, length);
  if (outcome == -ETIMEDOUT) return ended(0);
  if (left != nullptr) *left = std::max<std::int64_t>(0, length - (host().now() - start));
  return -outcome;
}

// True: the call is the fiber's.
bool sleeps_on_fiber(const char* call, std::int64_t length, const void* caller) {
  const FiberHost::Place where = place();
  if (where == FiberHost::in_task && length > 0) host().blocks(call, caller);
  return where == FiberHost::on_fiber;
}

void store(std::int64_t left, timespec* into) noexcept {
  if (into != nullptr) *into = {.tv_sec = left / second, .tv_nsec = left % second};
}

// The lock is the open file's, whichever thread asks for it; the kernel tells nobody when it is
// free.
int flock_on_fiber(int descriptor, int operation) {
  const ErrnoOfFailures ended;
  constexpr std::int64_t longest = 50'000'000;
  std::int64_t pause = 1'000'000;
  while (real_flock(descriptor, operation | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return -1;
    const int outcome = host().wait("flock", nullptr, 0, pause);
    if (outcome != -ETIMEDOUT) return fail(-outcome);
    pause = std::min(2 * pause, longest);
  }
  return ended(0);
}

}  // namespace

thread_local constinit bool probing = false;
thread_local constinit bool probed = false;

}  // namespace clearway::hooks

using namespace clearway;
using namespace clearway::hooks;

CLEARWAY_HOOK int nanosleep(const timespec* length, timespec* left) {
  if (probing) probed = true;
  if (!valid(*length) || !sleeps_on_fiber("nanosleep", nanoseconds(*length), CLEARWAY_CALLER)) {
    return real_nanosleep(length, left);
  }
  std::int64_t rest = 0;
  const int code = sleep_on_fiber("nanosleep", nanoseconds(*length), &rest);
  if (code == 0) return 0;
  store(rest, left);
  return fail(code);
}

// Gives the error instead of setting errno (clock_nanosleep(2)).
CLEARWAY_HOOK int clock_nanosleep(clockid_t clock, int flags, const timespec* until,
                                  timespec* left) {
  const bool known = clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME ||
                     clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
  if (!known || !valid(*until)) return real_clock_nanosleep(clock, flags, until, left);
  std::int64_t length = nanoseconds(*until);
  if ((flags & TIMER_ABSTIME) != 0) {
    timespec present{};
    ::clock_gettime(clock, &present);
    length -= nanoseconds(present);
  }
  if (!sleeps_on_fiber("clock_nanosleep", length, CLEARWAY_CALLER)) {
    return real_clock_nanosleep(clock, flags, until, left);
  }
  std::int64_t rest = 0;
  const int code = sleep_on_fiber("clock_nanosleep", length, &rest);
  if (code != 0 && (flags & TIMER_ABSTIME) == 0) store(rest, left);
  return code;
}

CLEARWAY_HOOK int usleep(useconds_t microseconds) {
  const std::int64_t length = std::int64_t{microseconds} * 1'000;
  if (!sleeps_on_fiber("usleep", length, CLEARWAY_CALLER)) return real_usleep(microseconds);
  const int code = sleep_on_fiber("usleep", length);
  return code == 0 ? 0 : fail(code);
}

CLEARWAY_HOOK unsigned int sleep(unsigned int seconds) {
  if (!sleeps_on_fiber("sleep", seconds, CLEARWAY_CALLER)) return real_sleep(seconds);
  std::int64_t rest = 0;
  const int code = sleep_on_fiber("sleep", seconds * second, &rest);
  if (code == 0) return 0;
  errno = code;
  return static_cast<unsigned int>((rest + second - 1) / second);
}

// That of C11: -1 is for a signal, other negative numbers for the rest.
CLEARWAY_HOOK int thrd_sleep(const timespec* length, timespec* left) {
  if (!valid(*length) || !sleeps_on_fiber("thrd_sleep", nanoseconds(*length), CLEARWAY_CALLER)) {
    return real_thread_sleep(length, left);
  }
  std::int64_t rest = 0;
  const int code = sleep_on_fiber("thrd_sleep", nanoseconds(*length), &rest);
  if (code == 0) return 0;
  store(rest, left);
  errno = code;
  return -2;
}

CLEARWAY_HOOK int sched_yield() noexcept {
  if (place() != FiberHost::on_fiber) return real_sched_yield();
  host().yield();
  return 0;
}

CLEARWAY_HOOK int flock(int descriptor, int operation) noexcept {
  if (place() != FiberHost::on_fiber || (operation & (LOCK_NB | LOCK_UN)) != 0) {
    return real_flock(descriptor, operation);
  }
  return flock_on_fiber(descriptor, operation);
}
