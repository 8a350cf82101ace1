#include <clearway/fiber/host.hpp>

#include <cerrno>
#include <new>
#include <optional>
#include <utility>

#include <dlfcn.h>
#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/base/log.hpp>
#include <clearway/fiber/blocking.hpp>
#include <clearway/fiber/fiber.hpp>
#include <clearway/fiber/host_attach.hpp>
#include <clearway/fiber/lane.hpp>
#include <clearway/fiber/locks.hpp>
#include <clearway/fiber/parked.hpp>
#include <clearway/fiber/pool.hpp>
#include <clearway/fiber/wait.hpp>

#include <atomic>

extern "C" __attribute__((weak)) void clearway_fiber_hooks_attach(const clearway::FiberHost* host);

namespace clearway {
namespace {

using detail::Fiber;
using detail::FiberWait;

enum class Hooks { none, defective, in_force };
std::atomic<Hooks> hooks = Hooks::none;
// A child that a loop has forked has our memory, and none of the loop: its calls are its own. One
// that is forked before may have a loop of its own.
std::atomic<bool> forked = false;
// This process: a child of vfork() has our memory and another number.
std::atomic<pid_t> process = 0;

// Not in a forked child, and not when exit() was called on a fiber: the thread's own things go
// first, and the functions that are called after them are on nobody's loop any more.
bool is_fiber() noexcept {
  return Fiber::current() != nullptr && detail::this_fiber_thread.pool != nullptr &&
         !forked.load(std::memory_order_relaxed);
}

int place() noexcept {
  if (Fiber::current() != nullptr) {
    return is_fiber() ? FiberHost::on_fiber : FiberHost::elsewhere;
  }
  if (!detail::blocking_matters() || forked.load(std::memory_order_relaxed)) {
    return FiberHost::elsewhere;
  }
  return FiberHost::in_task;
}

int wait(const char* call, const pollfd* descriptors, nfds_t count,
         std::int64_t nanoseconds) noexcept {
  Fiber& current = *Fiber::current();
  // Those that would come next in this turn come later.
  if (!current.abandoned()) detail::FiberLane::share_is_over(*Loop::current_or_null());
  current.call = call;
  current.descriptors = descriptors;
  current.descriptor_count = count;
  const int result = FiberWait(current, call).wait(descriptors, count, nanoseconds);
  current.call = nullptr;
  return result;
}

std::int64_t now() noexcept { return Loop::current_or_null()->now().time_since_epoch().count(); }

void yield() noexcept { FiberWait(*Fiber::current(), "sched_yield").yield(); }

// Not with a mutex held: whoever wants it next is on this thread too.
void spend() noexcept {
  if (Fiber::current()->abandoned()) return;
  Loop& loop = *Loop::current_or_null();
  const bool spent = !loop.spend_budget();
  if ((!spent && !detail::FiberLane::share_is_over(loop)) || !Fiber::current()->locks().empty()) {
    return;
  }
  yield();
}

int offload(std::shared_ptr<OffloadJob> job, bool abandonable) noexcept {
  Fiber& current = *Fiber::current();
  try {
    const detail::HeldLocks held(current, "a call that runs in a thread");
    if (abandonable) {
      const auto run = [job = std::move(job)] { job->run(); };
      fiber::await(to_thread(clearway::abandonable, run));
    } else {
      fiber::await(shielded(to_thread([&] { job->run(); })));
    }
    return 0;
  } catch (const Cancelled&) {
    current.interrupt();
    return -ECANCELED;
  } catch (const std::exception&) {
    return -EAGAIN;
  }
}

void* storage(std::size_t size) noexcept {
  try {
    return Fiber::current()->storage(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void closing(int descriptor) noexcept {
  if (forked.load(std::memory_order_relaxed) || !detail::ParkedTable::may_wait_for(descriptor) ||
      ::getpid() != process.load(std::memory_order_relaxed)) {
    return;
  }
  std::optional<detail::OnBehalf> on_behalf;
  if (Fiber* const current = Fiber::current()) on_behalf.emplace(*current);
  detail::ParkedTable::announce_closing(descriptor);
}

void pause(const char* call, std::int64_t nanoseconds) noexcept {
  FiberWait(*Fiber::current(), call).pause(Duration(nanoseconds));
}

void locked(const void* mutex, const void* caller) noexcept {
  Fiber::current()->locks().add(mutex, caller);
}
void unlocked(const void* mutex) noexcept { Fiber::current()->locks().remove(mutex); }

void tested(const char* problem) noexcept {
  hooks = problem == nullptr ? Hooks::in_force : Hooks::defective;
  if (problem != nullptr) log::write(log::Level::error, "fiber", problem);
}

void bound_past(const char* library) noexcept {
  try {
    log::write(log::Level::error, "fiber",
               fmt::format("{} was opened with RTLD_DEEPBIND: its calls, and those of the "
                           "libraries that come with it, go past the libc hooks and block the "
                           "loop. Open it without that flag, or call it in a thread (to_thread)",
                           library));
  } catch (const std::bad_alloc&) {
    return;
  }
}

constinit const FiberHost host{.place = place,
                               .is_fiber = is_fiber,
                               .wait = wait,
                               .now = now,
                               .spend = spend,
                               .yield = yield,
                               .offload = offload,
                               .storage = storage,
                               .closing = closing,
                               .blocks = detail::report_blocking,
                               .pause = pause,
                               .locked_by_waiting = detail::HeldLocks::any_holds,
                               .locked = locked,
                               .unlocked = unlocked,
                               .tested = tested,
                               .bound_past = bound_past};

}  // namespace

namespace detail {

// The hooks are linked to this program, or they were loaded before it, or there are none.
bool attach_hooks() noexcept {
  using Attach = void (*)(const FiberHost*);
  static const bool once = [] {
    Attach attach = clearway_fiber_hooks_attach;
    if (attach == nullptr) {
      attach = reinterpret_cast<Attach>(::dlsym(RTLD_DEFAULT, "clearway_fiber_hooks_attach"));
    }
    if (attach == nullptr) return false;
    process = ::getpid();
    ::pthread_atfork(nullptr, nullptr, [] {
      process = ::getpid();
      if (Loop::current_or_null() != nullptr) forked = true;
    });
    attach(&host);
    return true;
  }();
  return once;
}

namespace {

[[maybe_unused]] const bool attached_at_start = attach_hooks();

}  // namespace
}  // namespace detail

namespace fiber {

bool hooks_in_force() noexcept {
  detail::attach_hooks();
  return hooks == Hooks::in_force;
}

}  // namespace fiber
}  // namespace clearway
