#include <clearway/fiber/sanitizer.hpp>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

namespace clearway::detail::sanitizer {

void know_stack([[maybe_unused]] const char* from, [[maybe_unused]] std::size_t size) noexcept {
#if defined(CLEARWAY_ASAN)
  __lsan_register_root_region(from, size);
#endif
#if defined(VALGRIND_STACK_REGISTER)
  static_cast<void>(VALGRIND_STACK_REGISTER(from, from + size));
#endif
}

void forget_stack([[maybe_unused]] const char* from, [[maybe_unused]] std::size_t size) noexcept {
#if defined(CLEARWAY_ASAN)
  __lsan_unregister_root_region(from, size);
#endif
}

}  // namespace clearway::detail::sanitizer
