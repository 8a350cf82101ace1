#include <clearway/fiber/host.hpp>

#include <cerrno>
#include <new>
#include <optional>
#include <utility>

#include <dlfcn.h>
#include <pthread.h>
#include <clearway/base/error.hpp>
#include <clearway/base/log.hpp>
#include <clearway/fiber/blocking.hpp>
#include <clearway/fiber/fiber.hpp>
#include <clearway/fiber/host_attach.hpp>
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
  if (!Loop::current_or_null()->spend_budget() && Fiber::current()->locks().empty()) yield();
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
  if (forked.load(std::memory_order_relaxed)) return;
  std::optional<detail::OnBehalf> on_behalf;
  if (Fiber* const current = Fiber::current()) on_behalf.emplace(*current);
  detail::ParkedTable::announce_closing(descriptor);
}

void before_lock(const void* mutex) noexcept {
  while (detail::HeldLocks::any_holds(mutex)) {
    FiberWait(*Fiber::current(), "pthread_mutex_lock").pause(std::chrono::milliseconds(1));
  }
}

void locked(const void* mutex, const void* caller) noexcept {
  Fiber::current()->locks().add(mutex, caller);
}
void unlocked(const void* mutex) noexcept { Fiber::current()->locks().remove(mutex); }

void tested(const char* problem) noexcept {
  hooks = problem == nullptr ? Hooks::in_force : Hooks::defective;
  if (problem != nullptr) log::write(log::Level::error, "fiber", problem);
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
                               .before_lock = before_lock,
                               .locked_by_waiting = detail::HeldLocks::any_holds,
                               .locked = locked,
                               .unlocked = unlocked,
                               .tested = tested};

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
    ::pthread_atfork(nullptr, nullptr, [] {
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
