#include <clearway/fiber/overflow.hpp>

#include <array>
#include <cstdint>
#include <mutex>
#include <string_view>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <clearway/fiber/core.hpp>

#include <csignal>

namespace clearway::detail {
namespace {

constexpr std::size_t signal_stack_size = 64 * 1024;
thread_local void* signal_stack = nullptr;
struct sigaction before;

// What can be called in a signal handler.
void say(std::string_view text) noexcept {
  while (!text.empty()) {
    // Not write(), which the hooks have: it might wait on the stack that has overflowed.
    const long count = ::syscall(SYS_write, STDERR_FILENO, text.data(), text.size());
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void say(std::uint32_t number) noexcept {
  std::array<char, 10> digits;
  std::size_t begin = digits.size();
  do {
    digits[--begin] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0);
  say(std::string_view(digits.data() + begin, digits.size() - begin));
}

void say_frame(const PromiseBase& frame) noexcept {
  const Site& at = frame.awaiting.line() != 0 ? frame.awaiting : frame.origin;
  say("  in ");
  say(frame.origin.function_name());
  say(" at ");
  say(at.file_name());
  say(":");
  say(at.line());
  say("\n");
}

void say_overflow(const Fiber& fiber) noexcept {
  say("clearway: stack overflow: a fiber has used up the ");
  say(static_cast<std::uint32_t>((StackPool::size - StackPool::guard_size) / 1024));
  say(" KiB of its stack. Recursion without end, or large arrays in functions; give what needs a "
      "deep stack to to_thread(). The fiber was started\n");
  const PromiseBase* frame = fiber.waiting_frame();
  for (int depth = 0; frame != nullptr && depth < 20; ++depth) {
    say_frame(*frame);
    const Completion* completion = frame->parent.completion();
    frame = completion == nullptr ? frame->parent.frame() : completion->waiting_frame();
  }
}

// Where the thread stood when the signal came; null on processors that we do not know.
const char* stack_pointer(const void* machine) noexcept {
  [[maybe_unused]] const auto& registers = static_cast<const ucontext_t*>(machine)->uc_mcontext;
#if defined(__x86_64__)
  return reinterpret_cast<const char*>(registers.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return reinterpret_cast<const char*>(registers.sp);
#else
  return nullptr;
#endif
}

// Then as if we had not been there: the fault happens again under the default action, and what
// somebody sent is sent again.
void handle(int number, siginfo_t* information, void* machine) {
  const auto* address = static_cast<const char*>(information->si_addr);
  const char* const stands = stack_pointer(machine);
  // Whoever reads past its array on another stack may hit a guard as well.
  const Fiber* fiber = Fiber::of_stack(stands == nullptr ? address : stands);
  if (fiber != nullptr && address >= fiber->stack() &&
      address < fiber->stack() + StackPool::guard_size) {
    say_overflow(*fiber);
  }
  if ((before.sa_flags & SA_SIGINFO) != 0) {
    before.sa_sigaction(number, information, machine);
  } else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
    ::signal(number, SIG_DFL);
    if (information->si_code <= 0) ::syscall(SYS_tgkill, ::getpid(), ::gettid(), number);
  } else {
    before.sa_handler(number);
  }
}

void install_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action{};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGSEGV, &action, &before);
  });
}

}  // namespace

void watch_for_overflow() {
  install_once();
  stack_t present{};
  if (::sigaltstack(nullptr, &present) != 0 || (present.ss_flags & SS_DISABLE) == 0) return;
  void* const memory = ::mmap(nullptr, signal_stack_size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;  // an overflow then ends the program without a word
  const stack_t ours{.ss_sp = memory, .ss_flags = 0, .ss_size = signal_stack_size};
  ::sigaltstack(&ours, nullptr);
  signal_stack = memory;
}

void unwatch_for_overflow() noexcept {
  if (signal_stack == nullptr) return;
  const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
  ::sigaltstack(&none, nullptr);
  ::munmap(signal_stack, signal_stack_size);
  signal_stack = nullptr;
}

}  // namespace clearway::detail
