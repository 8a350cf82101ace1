// connect, accept, accept4. These have no flag for one call: the descriptor is made non-blocking
// for the moment of the call, and is as it was when the fiber waits. Fibers of several loops that
// accept from one listener do so one after the other.

#include <algorithm>

#include <poll.h>
#include <sys/socket.h>
#include <clearway/fiber_hooks/for_now.hpp>
#include <clearway/fiber_hooks/real.hpp>
#include <clearway/fiber_hooks/self_test.hpp>

namespace clearway::hooks {
namespace {

int connect_now(int descriptor, const sockaddr* to, socklen_t size) noexcept {
  const NonBlockingForNow for_now(descriptor);
  return real_connect(descriptor, to, size);
}

// How it has ended.
int outcome_of_connect(int descriptor) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return -1;
  return error == 0 ? 0 : fail(error);
}

int connect_on_fiber(int descriptor, const sockaddr* to, socklen_t size) {
  constexpr std::int64_t pause = 5'000'000;  // a Unix listener whose backlog is full gives no event
  const std::int64_t limit = socket_timeout(descriptor, SO_SNDTIMEO);
  const std::int64_t deadline = limit < 0 ? -1 : host().now() + limit;
  for (;;) {
    if (connect_now(descriptor, to, size) == 0) {
      host().spend();
      return 0;
    }
    if (errno == EAGAIN) {
      const std::int64_t left = deadline < 0 ? pause : deadline - host().now();
      if (left <= 0) return fail(EAGAIN);
      const int slept = host().wait("connect", nullptr, 0, std::min(pause, left));
      if (slept != -ETIMEDOUT) return fail(-slept);
      continue;
    }
    // EALREADY: it is being made since an earlier call.
    if (errno != EINPROGRESS && errno != EALREADY) return -1;
    Patience patience("connect", descriptor, POLLOUT, SO_SNDTIMEO);
    if (patience.wait()) return outcome_of_connect(descriptor);
    // A thread whose SO_SNDTIMEO is over is told that the connection is still being made.
    return errno == EAGAIN ? fail(EINPROGRESS) : -1;
  }
}

// Somebody else may take the connection between the question and the call.
int accept_now(int descriptor, sockaddr* from, socklen_t* size, int flags) noexcept {
  pollfd asked{.fd = descriptor, .events = POLLIN, .revents = 0};
  if (real_poll(&asked, 1, 0) == 0) return fail(EAGAIN);
  const NonBlockingForNow for_now(descriptor);
  return real_accept4(descriptor, from, size, flags);
}

// A call that waits, and has met the moment in which a fiber's made the listener non-blocking, is
// made again. (Not noexcept: pthread_cancel() unwinds through it.)
int accept_in_thread(int descriptor, sockaddr* from, socklen_t* size, int flags) {
  for (;;) {
    const NonBlockingForNow::Beside beside;
    const int accepted = real_accept4(descriptor, from, size, flags);
    if (accepted >= 0 || errno != EAGAIN || !beside.any()) return accepted;
    const bool has_limit = socket_timeout(descriptor, SO_RCVTIMEO) >= 0;
    if (non_blocking(descriptor) || has_limit) return fail(EAGAIN);
  }
}

int accept_any(const char* call, int descriptor, sockaddr* from, socklen_t* size, int flags,
               const void* caller) {
  return blocking_call(
      Patience(call, descriptor, POLLIN, SO_RCVTIMEO), call, descriptor, caller,
      [&] { return accept_now(descriptor, from, size, flags); },
      [&] { return accept_in_thread(descriptor, from, size, flags); });
}

}  // namespace
}  // namespace clearway::hooks

const char clearway::hooks::connect_part = 0;

using namespace clearway;
using namespace clearway::hooks;

CLEARWAY_HOOK int connect(int descriptor, const sockaddr* to, socklen_t size) {
  const FiberHost::Place where = place();
  if (where == FiberHost::elsewhere) return real_connect(descriptor, to, size);
  const ErrnoOfFailures ended;
  if (non_blocking(descriptor)) return ended(real_connect(descriptor, to, size));
  if (where == FiberHost::in_task) {
    // Only what waits for somebody on the other side: datagrams and netlink have none.
    int type = 0;
    socklen_t type_size = sizeof type;
    ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &type_size);
    if (type == SOCK_STREAM) host().blocks("connect", CLEARWAY_CALLER);
    return ended(real_connect(descriptor, to, size));
  }
  return ended(connect_on_fiber(descriptor, to, size));
}

CLEARWAY_HOOK int accept(int descriptor, sockaddr* from, socklen_t* size) {
  if (place() == FiberHost::elsewhere) return accept_in_thread(descriptor, from, size, 0);
  return accept_any("accept", descriptor, from, size, 0, CLEARWAY_CALLER);
}

CLEARWAY_HOOK int accept4(int descriptor, sockaddr* from, socklen_t* size, int flags) {
  if (place() == FiberHost::elsewhere) return accept_in_thread(descriptor, from, size, flags);
  return accept_any("accept4", descriptor, from, size, flags, CLEARWAY_CALLER);
}
