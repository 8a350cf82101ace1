// pthread_join, waitpid, wait, wait3, wait4, waitid, system, popen, pclose.

#include <algorithm>
#include <string>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <clearway/fiber_hooks/offload.hpp>
#include <clearway/fiber_hooks/real.hpp>

namespace clearway::hooks {
namespace {

bool is_for_fiber(const char* call, const void* caller) {
  const FiberHost::Place where = place();
  if (where == FiberHost::in_task) host().blocks(call, caller);
  return where == FiberHost::on_fiber;
}

// Until `process` may have ended: by its descriptor, or, where there is none (any child, a process
// group, an old kernel), by asking again after a while.
int wait_for_end(const char* call, pid_t process, std::int64_t& pause) {
  constexpr std::int64_t longest = 20'000'000;
  const int descriptor = process > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, process, 0)) : -1;
  if (descriptor < 0) {
    const int outcome = host().wait(call, nullptr, 0, pause);
    pause = std::min(2 * pause, longest);
    return outcome == -ETIMEDOUT ? 0 : outcome;
  }
  const pollfd wanted{.fd = descriptor, .events = POLLIN, .revents = 0};
  const int outcome = host().wait(call, &wanted, 1, -1);
  real_close(descriptor);
  return outcome;
}

// `ask(options)` is the call; it gives 0 while WNOHANG is among them and nothing has happened.
template <class Ask>
pid_t wait_any(const char* call, pid_t process, int options, const void* caller, Ask ask) {
  const FiberHost::Place where = (options & WNOHANG) != 0 ? FiberHost::elsewhere : place();
  if (where == FiberHost::elsewhere) return ask(options);
  // Children that only stop have no event.
  const bool only_end = (options & (WSTOPPED | WCONTINUED)) == 0;
  std::int64_t pause = 1'000'000;
  const ErrnoOfFailures result;
  for (;;) {
    const pid_t ended = ask(options | WNOHANG);
    if (ended != 0) return result(ended);
    if (where == FiberHost::in_task) {
      host().blocks(call, caller);
      return result(ask(options));
    }
    const int outcome = wait_for_end(call, only_end ? process : -1, pause);
    if (outcome != 0) return fail(-outcome);
  }
}

pid_t wait_process(const char* call, pid_t process, int* status, int options, rusage* usage,
                   const void* caller) {
  const auto ask = [&](int with) { return real_wait4(process, status, with, usage); };
  return wait_any(call, process, options, caller, ask);
}

// The pool's threads take no signals, and a command inherits that: it is to have its caller's.
class CallersSignals {
 public:
  static sigset_t present() noexcept {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return mask;
  }
  explicit CallersSignals(const sigset_t& mask) noexcept {
    ::pthread_sigmask(SIG_SETMASK, &mask, &before_);
  }
  CallersSignals(const CallersSignals&) = delete;
  CallersSignals& operator=(const CallersSignals&) = delete;
  ~CallersSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

struct Command {
  std::string line;
  int status = -1;
  sigset_t signals = CallersSignals::present();
  void operator()() noexcept {
    const CallersSignals now(signals);
    status = real_system(line.c_str());
  }
};

}  // namespace
}  // namespace clearway::hooks

using namespace clearway;
using namespace clearway::hooks;

// Not to be cancelled: when it gives up, its caller frees what the thread still uses. Most threads
// that are joined have said their last word (libcurl's, which look up a name, do that through a
// socket), and end now: they take no thread of ours.
CLEARWAY_HOOK int pthread_join(pthread_t thread, void** result) {
  const FiberHost::Place where = place();
  if (where == FiberHost::elsewhere) return real_pthread_join(thread, result);
  constexpr std::int64_t pause = 1'000'000;
  int status = ::pthread_tryjoin_np(thread, result);
  if (status == EBUSY && where == FiberHost::on_fiber) {
    host().pause("pthread_join", pause);
    status = ::pthread_tryjoin_np(thread, result);
  }
  if (status != EBUSY) return status;
  if (where == FiberHost::in_task) {
    host().blocks("pthread_join", CLEARWAY_CALLER);
    return real_pthread_join(thread, result);
  }
  int error = 0;
  const auto join = [&] { status = real_pthread_join(thread, result); };
  if (call_in_thread(join, false, error) != nullptr) return status;
  return real_pthread_join(thread, result);
}

CLEARWAY_HOOK pid_t waitpid(pid_t process, int* status, int options) {
  return wait_process("waitpid", process, status, options, nullptr, CLEARWAY_CALLER);
}

CLEARWAY_HOOK pid_t wait(int* status) {
  return wait_process("wait", -1, status, 0, nullptr, CLEARWAY_CALLER);
}

// libc declares these as if they did not throw, and pthread_cancel() unwinds through them.
CLEARWAY_HOOK pid_t wait_with_usage(pid_t process, int* status, int options,
                                    rusage* usage) __asm__("wait4");
CLEARWAY_HOOK pid_t wait_any_with_usage(int* status, int options, rusage* usage) __asm__("wait3");

CLEARWAY_HOOK pid_t wait_with_usage(pid_t process, int* status, int options, rusage* usage) {
  return wait_process("wait4", process, status, options, usage, CLEARWAY_CALLER);
}

CLEARWAY_HOOK pid_t wait_any_with_usage(int* status, int options, rusage* usage) {
  return wait_process("wait3", -1, status, options, usage, CLEARWAY_CALLER);
}

CLEARWAY_HOOK int waitid(idtype_t kind, id_t id, siginfo_t* information, int options) {
  siginfo_t own{};
  siginfo_t* const told = information != nullptr ? information : &own;
  const auto ask = [&](int with) -> pid_t {
    told->si_pid = 0;
    const int result = real_waitid(kind, id, told, with);
    if (result != 0 || (with & WNOHANG) == 0) return result == 0 ? 1 : result;
    return told->si_pid;
  };
  if (place() == FiberHost::elsewhere || (options & WNOHANG) != 0) {
    return real_waitid(kind, id, information, options);
  }
  const pid_t process = kind == P_PID ? static_cast<pid_t>(id) : -1;
  return wait_any("waitid", process, options, CLEARWAY_CALLER, ask) < 0 ? -1 : 0;
}

// Cancelled, it leaves the command running, and its thread with it.
CLEARWAY_HOOK int system(const char* command) {
  if (command == nullptr || !is_for_fiber("system", CLEARWAY_CALLER)) return real_system(command);
  int error = 0;
  const auto job = call_in_thread(Command{command}, true, error);
  if (job != nullptr) return job->state.status;
  return error == EAGAIN ? real_system(command) : fail(error);
}

CLEARWAY_HOOK FILE* popen(const char* command, const char* mode) {
  if (!is_for_fiber("popen", CLEARWAY_CALLER)) return real_popen(command, mode);
  int error = 0;
  FILE* stream = nullptr;
  const sigset_t signals = CallersSignals::present();
  const auto open = [&] {
    const CallersSignals now(signals);
    stream = real_popen(command, mode);
  };
  if (call_in_thread(open, false, error) != nullptr) return stream;
  if (error == EAGAIN) return real_popen(command, mode);
  errno = error;
  return nullptr;
}

// Not to be cancelled, as little as pthread_join(): the stream is gone afterwards either way.
CLEARWAY_HOOK int pclose(FILE* stream) {
  if (!is_for_fiber("pclose", CLEARWAY_CALLER)) return real_pclose(stream);
  int error = 0;
  int status = 0;
  const auto close = [&] { status = real_pclose(stream); };
  if (call_in_thread(close, false, error) != nullptr) return status;
  return real_pclose(stream);
}
