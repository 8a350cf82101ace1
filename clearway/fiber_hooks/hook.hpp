#pragma once

// What all hooks are made of. A hook has the name of a function of libc, and is called instead of
// it by the whole program, its libraries included. In a thread without fibers it calls libc's, and
// nothing else: no lock, no memory, nothing that a signal handler or a child of fork() may not do
// (an accept() that has failed with EAGAIN aside).
//
// The hooks are stateless: they never make somebody else's descriptor non-blocking (which threads,
// children of fork() and libc's own streams would notice), but ask for each call that it does not
// wait (MSG_DONTWAIT). docs/decisions/stateless_hooks.md has the reasons.

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>

#include <dlfcn.h>
#include <clearway/fiber/host.hpp>

// Visible whatever -fvisibility says: hidden hooks are found by nobody.
#define CLEARWAY_HOOK extern "C" __attribute__((visibility("default"), used))
// Who called the hook.
#define CLEARWAY_CALLER __builtin_return_address(0)

extern "C" __attribute__((weak)) void __asan_init();
extern "C" __attribute__((weak)) void __tsan_init();

namespace clearway::hooks {

// The program has no libc of its own to call: it is linked statically.
[[noreturn]] void end_without(const char* function) noexcept;

// The function that libc has under this name.
template <class F>
class Real;
template <class R, class... Args>
class Real<R(Args...)> {
 public:
  using Pointer = R (*)(Args...);
  constexpr explicit Real(const char* name) noexcept : name_(name) {}

  R operator()(Args... args) const {
    const Pointer function = get();
    if (function == nullptr) [[unlikely]]
      end_without(name_);
    return function(args...);
  }
  Pointer get() const {
    const Pointer known = pointer_.load(std::memory_order_relaxed);
    return known != nullptr ? known : find();
  }

 private:
  Pointer find() const {
    void* found = nullptr;
    // A sanitizer's runtime intercepts the call; ours stands before it. Nobody else is asked: a
    // search in vain allocates memory, for whose lock an allocator may have called us.
    if (__asan_init != nullptr || __tsan_init != nullptr) {
      char intercepted[64] = "__interceptor_";
      for (std::size_t index = 0; index < 48 && name_[index] != 0; ++index) {
        intercepted[14 + index] = name_[index];
      }
      found = ::dlsym(RTLD_DEFAULT, intercepted);
    }
    if (found == nullptr) found = ::dlsym(RTLD_NEXT, name_);
    const auto pointer = reinterpret_cast<Pointer>(found);
    pointer_.store(pointer, std::memory_order_relaxed);
    return pointer;
  }

  const char* name_;
  mutable std::atomic<Pointer> pointer_ = nullptr;
};

// Null until the fibers have attached.
extern constinit std::atomic<const FiberHost*> attached;

// Where place() is not elsewhere.
inline const FiberHost& host() noexcept { return *attached.load(std::memory_order_relaxed); }

// Where the call that is being made comes from.
inline FiberHost::Place place() noexcept {
  const FiberHost* const there = attached.load(std::memory_order_relaxed);
  return there == nullptr ? FiberHost::elsewhere : static_cast<FiberHost::Place>(there->place());
}

// A century where the caller means for ever: sums with it are still numbers.
constexpr std::int64_t nanoseconds(std::int64_t seconds, std::int64_t rest) noexcept {
  constexpr std::int64_t century = 3'155'760'000;
  return seconds >= century ? century * 1'000'000'000 : seconds * 1'000'000'000 + rest;
}
inline std::int64_t nanoseconds(const timespec& length) noexcept {
  return nanoseconds(length.tv_sec, length.tv_nsec);
}

// -1, with errno set to `code`.
inline int fail(int code) noexcept {
  errno = code;
  return -1;
}

// A call that works leaves errno as it was, whatever it took: OpenSSL looks there to know whether a
// read of nothing is the end.
class ErrnoOfFailures {
 public:
  // Gives `result`.
  template <class T>
  T operator()(T result) const noexcept {
    if (result >= 0) errno = before_;
    return result;
  }
  [[nodiscard]] int before() const noexcept { return before_; }

 private:
  int before_ = errno;
};

// The owner of the descriptor wants EAGAIN rather than to wait.
bool non_blocking(int descriptor) noexcept;
// SO_RCVTIMEO or SO_SNDTIMEO in nanoseconds; -1: the socket has none, or it is no socket.
std::int64_t socket_timeout(int descriptor, int option) noexcept;
// Somebody has to be told of an error of the descriptor, and that only once: by the next call.
bool has_error(int descriptor) noexcept;

// The waits of one call on a fiber. What poll() takes for ready and the call does not (a datagram
// socket whose receiver is full, POLLRDHUP with unread data) ends every wait at once: after a few
// of those each takes some milliseconds.
class Waits {
 public:
  explicit Waits(const char* call) noexcept : call_(call) {}
  // As FiberHost::wait().
  int wait(const pollfd* descriptors, nfds_t count, std::int64_t nanoseconds) noexcept;

 private:
  const char* call_;
  int at_once_ = 0;  // that ended so, one after the other
};

// One blocking call on one descriptor, on a fiber: waits between its attempts.
class Patience {
 public:
  // `timeout_option` is SO_RCVTIMEO, SO_SNDTIMEO, or 0 for none.
  Patience(const char* call, int descriptor, short events, int timeout_option) noexcept
      : waits_(call), descriptor_(descriptor), events_(events), option_(timeout_option) {}

  // After an attempt that failed with EAGAIN. True: try again; false: errno says why the call ends.
  bool wait() noexcept;
  // When it has ended: what it gives.
  [[nodiscard]] int result() const noexcept { return nothing_came_ ? 0 : -1; }

 private:
  Waits waits_;
  int descriptor_;
  short events_;
  int option_;
  bool first_ = true;
  bool reads_nothing_ = false;  // a terminal's time limit is no error: there was nothing to read
  bool nothing_came_ = false;
  std::int64_t deadline_ = -1;  // on the host's clock; -1: none
};

// A call that can be attempted without waiting (`attempt`, which then gives -1 and EAGAIN) and made
// for good (`really`).
template <class Attempt, class Really>
auto blocking_call(Patience patience, const char* call, int descriptor, const void* caller,
                   Attempt attempt, Really really) -> decltype(really()) {
  const FiberHost::Place where = place();
  if (where == FiberHost::elsewhere) return really();
  const ErrnoOfFailures ended;
  if (where == FiberHost::in_task) {
    const auto result = attempt();
    if (result >= 0 || errno != EAGAIN || non_blocking(descriptor)) return ended(result);
    host().blocks(call, caller);
    return ended(really());
  }
  for (;;) {
    const auto result = attempt();
    if (result >= 0 || errno != EAGAIN) {
      const int code = errno;
      host().spend();
      errno = code;
      return ended(result);
    }
    if (patience.wait()) continue;
    // (EAGAIN, and who does not want to wait may ask again and again until another fiber has run.)
    const int code = errno;
    if (code == EAGAIN) host().spend();
    errno = code;
    return ended(decltype(really()){patience.result()});
  }
}

}  // namespace clearway::hooks
