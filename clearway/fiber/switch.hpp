#pragma once

// Switching stacks.
//
// On x86-64 it is done here: a processor predicts where functions return to by the calls before,
// and a switch behind a call (Boost.Context's jump_fcontext) upsets its list, so that every return
// up to the next call costs a misprediction. This one calls nothing, the compiler saves what it
// needs of the registers, and the floating-point control words are loaded only where the two sides
// have different ones. Elsewhere Boost.Context switches.
//
// What it leaves on the stack, from `context` upwards: the address at which it goes on, rbx,
// rbp, and 128 bytes that the interrupted function may use ("red zone"). Those who read the stacks
// of fibers from outside know that: tools/clearway/fiber_stacks.cpp, tools/gdb/clearway_tasks.py.

#include <cstddef>
#include <cstdint>

namespace clearway::detail {

#if defined(__x86_64__) && !defined(__ILP32__)

// The control words of SSE and of the x87, which functions hand back as they found them.
struct FloatControl {
  [[gnu::always_inline]] void save() noexcept {
    asm volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(sse), "=m"(x87));
  }
  [[gnu::always_inline]] void restore() const noexcept {
    asm volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(sse), "m"(x87));
  }
  // The lower six bits of the SSE word are flags, not control.
  [[nodiscard]] bool differs(const FloatControl& other) const noexcept {
    return ((sse ^ other.sse) & ~0x3fU) != 0 || x87 != other.x87;
  }
  std::uint32_t sse = 0;
  std::uint16_t x87 = 0;
};

// Goes to `context`, and puts there where this stack can be gone on with. `argument` is for the
// entry of a new stack. (rbx and rbp are what compilers may address their variables by.)
[[gnu::always_inline]] inline void switch_stack(void*& context, void* argument) noexcept {
  void* target = context;
  void** from = &context;
  // clang-format off
  asm volatile(
      "leaq -128(%%rsp), %%rsp\n\t"
      "pushq %%rbp\n\t"
      "pushq %%rbx\n\t"
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "movq %%rsp, (%%rsi)\n\t"
      "movq %%rdx, %%rsp\n\t"
      "popq %%rax\n\t"
      "jmpq *%%rax\n"
      "1:\n\t"
      "endbr64\n\t"
      "popq %%rbx\n\t"
      "popq %%rbp\n\t"
      "leaq 128(%%rsp), %%rsp"
      : "+D"(argument), "+S"(from), "+d"(target)
      :
      : "memory", "cc", "rax", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
        "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#if defined(__AVX512F__)
        , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31",
        "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#endif
  );
  // clang-format on
}

// A context whose first switch calls entry(argument) on the stack that ends at `top`. entry() does
// not return: nobody called it.
template <void (*entry)(void*)>
void* make_context(void* top, std::size_t) noexcept {
  constexpr std::uintptr_t alignment = 16;
  const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(top) / alignment * alignment;
  auto* const words = reinterpret_cast<void**>(end) - 4;
  words[0] = reinterpret_cast<void*>(entry);
  words[1] = nullptr;  // where it would return to: unwinding ends there
  return words;
}

#else

struct FloatControl {
  void save() noexcept {}
  void restore() const noexcept {}
  [[nodiscard]] bool differs(const FloatControl&) const noexcept { return false; }
};

// Boost.Context's functions.
struct Transfer {
  void* context;
  void* data;
};
extern "C" {
Transfer jump_fcontext(void* context, void* data);
void* make_fcontext(void* top, std::size_t size, void (*entry)(Transfer));
}

struct StackEntry {
  void** context;
  void* argument;
};

inline void switch_stack(void*& context, void* argument) noexcept {
  StackEntry entry{&context, argument};
  context = jump_fcontext(context, &entry).context;
}

template <void (*entry)(void*)>
void* make_context(void* top, std::size_t size) noexcept {
  return make_fcontext(top, size, [](Transfer transfer) {
    const StackEntry start = *static_cast<StackEntry*>(transfer.data);
    *start.context = transfer.context;
    entry(start.argument);
  });
}

#endif

}  // namespace clearway::detail
