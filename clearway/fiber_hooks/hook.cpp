#include <clearway/fiber_hooks/hook.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <clearway/fiber_hooks/for_now.hpp>

namespace clearway::hooks {

constinit std::atomic<const FiberHost*> attached = nullptr;

bool non_blocking(int descriptor) noexcept {
  const int flags = NonBlockingForNow::owners_flags(descriptor);
  errno = EAGAIN;
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

namespace {

// Nothing ever comes out of the end of a pipe that is for writing: the kernel says so only when it
// is asked for the bytes.
bool is_open_for(short events, int flags) noexcept {
  const int mode = flags & O_ACCMODE;
  return flags < 0 || (flags & O_PATH) != 0 || mode == O_RDWR ||
         mode == (events == POLLIN ? O_RDONLY : O_WRONLY);
}

// In nanoseconds; -1: the socket has none, or it is no socket.
std::int64_t socket_timeout(int descriptor, int option) noexcept {
  timeval limit{};
  socklen_t size = sizeof limit;
  if (option == 0 || ::getsockopt(descriptor, SOL_SOCKET, option, &limit, &size) != 0) return -1;
  const std::int64_t length = std::int64_t{limit.tv_sec} * 1'000'000'000 + limit.tv_usec * 1'000;
  return length == 0 ? -1 : length;
}

}  // namespace

bool Patience::wait() noexcept {
  if (first_) {
    first_ = false;
    const int flags = NonBlockingForNow::owners_flags(descriptor_);
    errno = is_open_for(events_, flags) ? EAGAIN : EBADF;
    if (errno == EBADF || (flags >= 0 && (flags & O_NONBLOCK) != 0)) return false;
    const std::int64_t limit = socket_timeout(descriptor_, option_);
    if (limit >= 0) deadline_ = host().now() + limit;
  }
  std::int64_t left = -1;
  if (deadline_ >= 0) {
    left = deadline_ - host().now();
    if (left < 0) left = 0;
  }
  const pollfd wanted{.fd = descriptor_, .events = events_, .revents = 0};
  const int outcome = host().wait(call_, &wanted, 1, left);
  if (outcome == 0) return true;
  errno = outcome == -ETIMEDOUT ? EAGAIN : -outcome;
  return false;
}

}  // namespace clearway::hooks
