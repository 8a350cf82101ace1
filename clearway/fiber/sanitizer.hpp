#pragma once

// What AddressSanitizer, ThreadSanitizer and valgrind have to be told of stacks and switches. In an
// ordinary build nothing of it costs anything, except valgrind's few instructions per new stack.

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define CLEARWAY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CLEARWAY_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CLEARWAY_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CLEARWAY_TSAN 1
#endif
#endif

#if defined(CLEARWAY_ASAN)
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if defined(CLEARWAY_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace clearway::detail::sanitizer {

// A stack without its guard, where whoever looks for leaks would fault. Valgrind takes a jump to
// another stack for a huge frame unless it knows both.
void know_stack(const char* from, std::size_t size) noexcept;
void forget_stack(const char* from, std::size_t size) noexcept;

// The two sides of a switch, as one context sees them: leaving() right before its jump, arrived()
// right after a jump has come to it.
class Side {
 public:
#if defined(CLEARWAY_ASAN)
  void leaving(const void* stack, std::size_t size) noexcept {
    __sanitizer_start_switch_fiber(&fake_, stack, size);
  }
  // Where the jump came from.
  void arrived(const void*& stack, std::size_t& size) noexcept {
    __sanitizer_finish_switch_fiber(fake_, &stack, &size);
  }

 private:
  void* fake_ = nullptr;
#else
  void leaving(const void*, std::size_t) noexcept {}
  void arrived(const void*&, std::size_t&) noexcept {}
#endif
};

// What ThreadSanitizer knows a fiber by.
class Identity {
 public:
#if defined(CLEARWAY_TSAN)
  static Identity make() noexcept { return Identity(__tsan_create_fiber(0)); }
  static Identity current() noexcept { return Identity(__tsan_get_current_fiber()); }
  void destroy() const noexcept { __tsan_destroy_fiber(known_); }
  void switch_to() const noexcept { __tsan_switch_to_fiber(known_, 0); }
  Identity() noexcept = default;

 private:
  explicit Identity(void* known) noexcept : known_(known) {}
  void* known_ = nullptr;
#else
  static Identity make() noexcept { return {}; }
  static Identity current() noexcept { return {}; }
  void destroy() const noexcept {}
  void switch_to() const noexcept {}
#endif
};

}  // namespace clearway::detail::sanitizer
