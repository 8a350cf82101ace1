#include <clearway/inspect/capture.hpp>

#include <array>
#include <atomic>
#include <cerrno>

#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include <csignal>

namespace clearway::inspect {
namespace {

constexpr std::size_t most_calls = 128;

// What the handler fills. There is one watchdog, so one is enough; a thread that comes late, for a
// signal of long ago, finds that it is not asked for.
struct Desk {
  std::atomic<int> wanted = 0;  // the thread that is asked, 0: nobody
  std::atomic<bool> done = false;
  std::size_t count = 0;
  std::array<std::uintptr_t, most_calls> calls{};
};
constinit Desk desk;
constinit std::atomic<int> signal_number = 0;

_Unwind_Reason_Code visit(_Unwind_Context* context, void*) {
  int before_call = 0;
  const std::uintptr_t address = _Unwind_GetIPInfo(context, &before_call);
  if (address == 0 || desk.count == most_calls) return _URC_END_OF_STACK;
  // A return address is behind the call; that of an interrupted place is not.
  desk.calls[desk.count++] = before_call != 0 ? address : address - 1;
  return _URC_NO_REASON;
}

// Uses nothing that may be in use where the thread was interrupted: glibc finds the tables for
// unwinding without a lock, and nothing is allocated.
void handle(int, siginfo_t* information, void*) {
  if (information->si_code != SI_TKILL || information->si_pid != ::getpid()) return;
  const int code = errno;
  int expected = static_cast<int>(::syscall(SYS_gettid));
  if (desk.wanted.compare_exchange_strong(expected, 0, std::memory_order_acquire)) {
    desk.count = 0;
    _Unwind_Backtrace(visit, nullptr);
    desk.done.store(true, std::memory_order_release);
  }
  errno = code;
}

void pause(Duration length) {
  const timespec time{0, static_cast<long>(length.count())};
  ::nanosleep(&time, nullptr);
}

// The handler's own frames, and the kernel's that called it, are not the program's.
std::vector<std::uintptr_t> without_handler() {
  constexpr std::size_t own = 2;  // handle(), and the return trampoline of signals
  const auto* const begin = desk.calls.data();
  const std::size_t skip = desk.count > own ? own : 0;
  return {begin + skip, begin + desk.count};
}

bool is_ours(int number) noexcept {
  struct sigaction now{};
  return number != 0 && ::sigaction(number, nullptr, &now) == 0 &&
         (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == handle;
}

// On the alternate stack, where there is one: little may be left of the fiber's own. Faults are not
// held back: they would end the program without a word.
bool take(int number) noexcept {
  struct sigaction before{};
  if (::sigaction(number, nullptr, &before) != 0 || before.sa_handler != SIG_DFL) return false;
  struct sigaction action{};
  action.sa_sigaction = handle;
  action.sa_flags = SA_RESTART | SA_SIGINFO | SA_ONSTACK;
  ::sigfillset(&action.sa_mask);
  for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) ::sigdelset(&action.sa_mask, fault);
  return ::sigaction(number, &action, nullptr) == 0;
}

}  // namespace

bool prepare_capture() noexcept {
  if (is_ours(signal_number.load())) return true;
  sigset_t blocked;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  for (const bool whatever : {false, true}) {
    for (int number = SIGRTMIN + 7; number < SIGRTMAX; ++number) {
      // Who blocks one may be going to wait for it, with sigwait() or a signalfd.
      if (!whatever && ::sigismember(&blocked, number) == 1) continue;
      if (!take(number)) continue;
      // The first use of the unwinder may initialise something.
      desk.count = most_calls;
      _Unwind_Backtrace(visit, nullptr);
      signal_number.store(number);
      return true;
    }
  }
  signal_number.store(0);
  return false;
}

void admit_capture() noexcept {
  const int number = signal_number.load();
  if (number == 0) return;
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, number);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

Capture capture_stack(int thread, Duration patience) {
  const int number = signal_number.load();
  if (number == 0) return {{}, "the program has taken every real-time signal"};
  if (!is_ours(number)) return {{}, "the program has taken the watchdog's signal for itself"};
  desk.done.store(false, std::memory_order_relaxed);
  desk.wanted.store(thread, std::memory_order_release);
  if (::syscall(SYS_tgkill, ::getpid(), thread, number) != 0) {
    desk.wanted.store(0);
    return {{}, "the thread could not be interrupted"};
  }
  constexpr Duration step = std::chrono::microseconds(200);
  for (Duration waited{}; waited < patience; waited += step) {
    if (desk.done.load(std::memory_order_acquire)) return {without_handler(), ""};
    pause(step);
  }
  int expected = thread;
  if (desk.wanted.compare_exchange_strong(expected, 0)) {
    return {{}, "the thread takes no signals: it blocks them, or the kernel does not let it go"};
  }
  while (!desk.done.load(std::memory_order_acquire)) pause(step);  // it has begun
  return {without_handler(), ""};
}

}  // namespace clearway::inspect
