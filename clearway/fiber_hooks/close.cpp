// close, dup2, dup3, fclose: whoever waits for the descriptor is told, and fails with EBADF. The
// kernel would let them wait for ever.

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <clearway/fiber_hooks/real.hpp>
#include <clearway/fiber_hooks/self_test.hpp>

const char clearway::hooks::close_part = 0;

using namespace clearway;
using namespace clearway::hooks;

namespace {

void announce(int descriptor) noexcept {
  const FiberHost* const there = attached.load(std::memory_order_relaxed);
  if (there == nullptr) return;
  const int code = errno;
  there->closing(descriptor);
  errno = code;
}

bool replaces(int from, int to) noexcept {
  if (from == to) return false;
  const int code = errno;
  const bool is_open = ::fcntl(from, F_GETFD) >= 0;
  errno = code;
  return is_open;
}

}  // namespace

CLEARWAY_HOOK int close(int descriptor) {
  announce(descriptor);
  return real_close(descriptor);
}

CLEARWAY_HOOK int __close(int descriptor) {
  announce(descriptor);
  return real_close(descriptor);
}

CLEARWAY_HOOK int dup2(int from, int to) noexcept {
  if (replaces(from, to)) announce(to);
  return real_dup2(from, to);
}

CLEARWAY_HOOK int dup3(int from, int to, int flags) noexcept {
  if (replaces(from, to)) announce(to);
  return real_dup3(from, to, flags);
}

CLEARWAY_HOOK int fclose(FILE* stream) {
  const int code = errno;
  const int descriptor = ::fileno(stream);
  errno = code;
  if (descriptor >= 0) announce(descriptor);
  return real_fclose(stream);
}
