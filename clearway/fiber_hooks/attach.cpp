// Where the fibers and the hooks meet, and the hooks see whether anybody calls them.

#include <array>
#include <chrono>
#include <string_view>

#include <dlfcn.h>
#include <resolv.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>
#include <clearway/fiber_hooks/real.hpp>
#include <clearway/fiber_hooks/self_test.hpp>

#if defined(CLEARWAY_HOOKS_LINKED)
#include <clearway/fiber/host_attach.hpp>
#endif

extern "C" int __poll_chk(pollfd*, nfds_t, int, size_t);
extern "C" ssize_t __recv_chk(int, void*, size_t, size_t, int);

namespace clearway::hooks {
namespace {

struct Hook {
  const char* name;
  const void* ours;
};

template <class F>
const void* address(F* function) noexcept {
  return reinterpret_cast<const void*>(function);
}
const std::array<Hook, 9>& hooks() {
  static const std::array<Hook, 9> all = {{{"recv", address(&::recv)},
                                           {"send", address(&::send)},
                                           {"connect", address(&::connect)},
                                           {"poll", address(&::poll)},
                                           {"nanosleep", address(&::nanosleep)},
                                           {"close", address(&::close)},
                                           {"getaddrinfo", address(&::getaddrinfo)},
                                           {"waitpid", address(&::waitpid)},
                                           {"pthread_mutex_lock", address(&::pthread_mutex_lock)}}};
  return all;
}

// Something of each source file that no sanitizer defines, so that whoever links this links all.
[[gnu::used]] const void* const parts[] = {
    &connect_part,         &close_part,           &names_part,          &mutex_part,
    address(&__poll_chk),  address(&__recv_chk),  address(&sendfile64), address(&::system),
    address(&resolve_all), address(&res_nsearch), &load_part,
};

// The C++ library's sleep calls nanosleep(): from a shared object, as the libraries do for which
// all this is.
bool reached_from_a_library() {
  using Sleep = void (*)(std::chrono::seconds, std::chrono::nanoseconds);
  void* const found = ::dlsym(
      RTLD_DEFAULT,
      "_ZNSt11this_thread11__sleep_forENSt6chrono8durationIlSt5ratioILl1ELl1EEEENS1_IlS2_ILl1ELl"
      "1000000000EEEE");
  if (found == nullptr) return true;  // a C++ library without it, or a static one
  Dl_info library{};
  Dl_info program{};
  ::dladdr(found, &library);
  ::dladdr(address(&attached), &program);
  if (library.dli_fbase == program.dli_fbase) return true;
  probing = true;
  probed = false;
  reinterpret_cast<Sleep>(found)(std::chrono::seconds(0), std::chrono::nanoseconds(0));
  probing = false;
  return probed;
}

}  // namespace

const char* self_test() {
  for (const Hook& hook : hooks()) {
    if (::dlsym(RTLD_DEFAULT, hook.name) == hook.ours) continue;
    return "the libc hooks are in this program, but not in force: libraries call libc and block "
           "the loop. Another definition of these functions comes first (a library that was loaded "
           "before, or -static), or the linker hid ours (a version script, --exclude-libs): link "
           "clearway::fiber_hooks to the program itself, or load libclearway_fiber_hooks.so with "
           "LD_PRELOAD";
  }
  if (!reached_from_a_library()) {
    return "the libc hooks are in this program, but a call from a shared library did not reach "
           "them: the library was loaded with RTLD_DEEPBIND, linked with -Bsymbolic, or is static. "
           "Its blocking calls block the loop";
  }
  return nullptr;
}

}  // namespace clearway::hooks

extern "C" __attribute__((visibility("default"), used)) void clearway_fiber_hooks_attach(
    const clearway::FiberHost* host) {
  using namespace clearway;
  if (host->version != FiberHost::this_version) {
    host->tested("the libc hooks that were loaded are of another version of Clearway: not used");
    return;
  }
  hooks::resolve_all();
  hooks::attached.store(host, std::memory_order_release);
  host->tested(hooks::self_test());
}

#if defined(CLEARWAY_HOOKS_LINKED)
namespace clearway::hooks {
namespace {

// Programs without a fiber get the detection of blocking calls too.
[[maybe_unused]] const bool attached_at_start = detail::attach_hooks();

}  // namespace
}  // namespace clearway::hooks
#endif
