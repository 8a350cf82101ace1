#pragma once

// What the libc hooks ask of the fibers. The hooks may be in the program or in a shared object that
// was loaded before it (LD_PRELOAD), which knows nothing of the program: so it is a table of
// functions, which this module hands to the hooks' clearway_fiber_hooks_attach().

#include <cstddef>
#include <cstdint>
#include <memory>

#include <poll.h>

namespace clearway {

// A call that is made in a thread instead.
class OffloadJob {
 public:
  OffloadJob() noexcept = default;
  OffloadJob(const OffloadJob&) = delete;
  OffloadJob& operator=(const OffloadJob&) = delete;
  virtual ~OffloadJob() = default;
  virtual void run() noexcept = 0;
};

// The functions of the table; those with a fiber in them are for where place() says on_fiber.
struct FiberHost {
  static constexpr std::uint32_t this_version = 2;
  enum Place : int {
    elsewhere = 0,  // the call is made as if we were not there
    on_fiber = 1,
    in_task = 2,  // it would block the loop, and that is to be reported
  };

  std::uint32_t version = this_version;
  int (*place)() noexcept = nullptr;
  bool (*is_fiber)() noexcept = nullptr;  // place() == on_fiber, and cheaper
  // Waits until one of the descriptors may be ready: 0. -ETIMEDOUT after so many nanoseconds (-1:
  // never), -ECANCELED, -EBADF when one was closed meanwhile, -ENOMEM.
  int (*wait)(const char* call, const pollfd* descriptors, nfds_t count,
              std::int64_t nanoseconds) noexcept = nullptr;
  // The loop's clock, in nanoseconds.
  std::int64_t (*now)() noexcept = nullptr;
  // After a call that did not wait: lets others run when the fiber has had its share of the turn.
  void (*spend)() noexcept = nullptr;
  void (*yield)() noexcept = nullptr;
  // Runs the job in a thread: 0. -ECANCELED: the fiber is cancelled, and the job, if abandonable,
  // may still run; otherwise it has not run. -EAGAIN: there is no thread for it.
  int (*offload)(std::shared_ptr<OffloadJob> job, bool abandonable) noexcept = nullptr;
  // Memory for results that belong to the callee, as gethostbyname()'s; null when there is none.
  void* (*storage)(std::size_t size) noexcept = nullptr;

  // From any thread: `descriptor` is about to be closed.
  void (*closing)(int descriptor) noexcept = nullptr;
  // In a task: throws, or reports, or does nothing.
  void (*blocks)(const char* call, const void* caller) = nullptr;
  // Waits so many nanoseconds, even when the fiber is cancelled.
  void (*pause)(const char* call, std::int64_t nanoseconds) noexcept = nullptr;
  // Locks of all kinds. Whether another fiber of this thread holds `mutex` in its sleep.
  bool (*locked_by_waiting)(const void* mutex) noexcept = nullptr;
  void (*locked)(const void* mutex, const void* caller) noexcept = nullptr;
  void (*unlocked)(const void* mutex) noexcept = nullptr;
  // What the hooks' self-test has found; null: all is well.
  void (*tested)(const char* problem) noexcept = nullptr;
  // A library was opened whose calls go past the hooks.
  void (*bound_past)(const char* library) noexcept = nullptr;
};

}  // namespace clearway

// The hooks': takes the table, which stays valid. Where the hooks are not part of the program there
// is no such function.
extern "C" void clearway_fiber_hooks_attach(const clearway::FiberHost* host);
