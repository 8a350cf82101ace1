#pragma once

// What happens when a blocking call is reached where it stops the loop: in a task rather than on a
// fiber. The libc hooks (clearway::fiber_hooks) notice; see docs/guides/blocking.md.

#include <string>

namespace clearway {

namespace fiber {

enum class Blocking {
  ignore,
  warn,         // the log says so once per call site, with the await chain: the default
  throw_error,  // the call throws UsageError: for tests
};

// For the whole process. CLEARWAY_BLOCKING=ignore|warn|throw in the environment is the default.
void set_blocking(Blocking policy) noexcept;

// While it lives, this thread blocks on purpose: nothing is reported.
class AllowBlocking {
 public:
  AllowBlocking() noexcept;
  AllowBlocking(const AllowBlocking&) = delete;
  AllowBlocking& operator=(const AllowBlocking&) = delete;
  ~AllowBlocking();
};

// The hooks are part of this program, and shared libraries' calls reach them. False: blocking calls
// of fibers stop the loop. The log has said why.
[[nodiscard]] bool hooks_in_force() noexcept;

}  // namespace fiber

namespace detail {

[[nodiscard]] fiber::Blocking blocking_policy() noexcept;
// This thread is in a task, and blocking there is to be reported.
[[nodiscard]] bool blocking_matters() noexcept;
// Reports `call`, made at `place` in the code; throws UsageError under that policy.
void report_blocking(const char* call, const void* place);
// Nothing has been reported at `place` yet, and now it counts as reported.
bool first_at(const void* place) noexcept;
// "curl_easy_perform+0x21 in libcurl.so.4".
std::string name_of_code(const void* place);

}  // namespace detail
}  // namespace clearway
