// dlopen: what is opened with RTLD_DEEPBIND finds libc before the hooks, and nobody would know.

#include <dlfcn.h>
#include <clearway/fiber_hooks/hook.hpp>
#include <clearway/fiber_hooks/self_test.hpp>

const char clearway::hooks::load_part = 0;

namespace clearway::hooks {
namespace {

constinit Real<void*(const char*, int)> real_dlopen("dlopen");

[[gnu::noinline, gnu::cold]] void report(const char* library) noexcept {
  const FiberHost* const there = attached.load(std::memory_order_relaxed);
  if (there == nullptr || library == nullptr) return;
  // What is there already stays as it is bound.
  if (void* const known = real_dlopen(library, RTLD_LAZY | RTLD_NOLOAD)) {
    ::dlclose(known);
    return;
  }
  there->bound_past(library);
}

}  // namespace

void resolve_loading() { static_cast<void>(real_dlopen.get()); }

}  // namespace clearway::hooks

using namespace clearway::hooks;

// libc looks at who calls it, for the search path of that library: so this jumps there instead of
// calling, which a noexcept function cannot: its name is another one to the compiler.
#if defined(__clang__)
#define CLEARWAY_JUMP [[clang::musttail]]
#define CLEARWAY_JUMPS
#else
#define CLEARWAY_JUMP
#define CLEARWAY_JUMPS __attribute__((optimize("O2")))
#endif

CLEARWAY_HOOK void* open_library(const char* library, int flags) __asm__("dlopen");

CLEARWAY_JUMPS void* open_library(const char* library, int flags) {
  if ((flags & RTLD_DEEPBIND) != 0) report(library);
  const auto open = real_dlopen.get();
  CLEARWAY_JUMP return open(library, flags);
}
