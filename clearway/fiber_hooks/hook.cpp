#include <clearway/fiber_hooks/hook.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>
#include <clearway/fiber_hooks/for_now.hpp>
#include <clearway/fiber_hooks/real.hpp>

namespace clearway::hooks {

constinit std::atomic<const FiberHost*> attached = nullptr;

// (Before main(), perhaps, and with no function of libc that is hooked.)
void end_without(const char* function) noexcept {
  for (const char* part : {"clearway: the libc hooks find no ", function,
                           "() to call. They need a program that is linked dynamically: link it "
                           "without -static, or without clearway::fiber_hooks\n"}) {
    static_cast<void>(::syscall(SYS_write, STDERR_FILENO, part, std::strlen(part)));
  }
  std::abort();
}

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

// How long a terminal that is not read by lines waits for the first byte, where its settings limit
// that (termios(3): MIN is 0, TIME tenths of a second); -1: for ever.
std::int64_t terminal_timeout(int descriptor) noexcept {
  constexpr std::int64_t tenth = 100'000'000;
  termios settings{};
  if (::tcgetattr(descriptor, &settings) != 0) return -1;
  if ((settings.c_lflag & ICANON) != 0 || settings.c_cc[VMIN] != 0) return -1;
  return settings.c_cc[VTIME] * tenth;
}

}  // namespace

std::int64_t socket_timeout(int descriptor, int option) noexcept {
  timeval limit{};
  socklen_t size = sizeof limit;
  if (option == 0 || ::getsockopt(descriptor, SOL_SOCKET, option, &limit, &size) != 0) return -1;
  const std::int64_t length = nanoseconds(limit.tv_sec, std::int64_t{limit.tv_usec} * 1'000);
  return length == 0 ? -1 : length;
}

bool has_error(int descriptor) noexcept {
  pollfd asked{.fd = descriptor, .events = 0, .revents = 0};
  return real_poll(&asked, 1, 0) > 0 && (asked.revents & POLLERR) != 0;
}

int Waits::wait(const pollfd* descriptors, nfds_t count, std::int64_t length) noexcept {
  constexpr int most = 3;
  constexpr std::int64_t moment = 50'000;
  constexpr std::int64_t pause = 1'000'000;
  std::int64_t began = host().now();
  if (at_once_ > most) {
    std::int64_t longest = pause * std::min(at_once_ - most, 5);
    if (length >= 0) longest = std::min(longest, length);
    const int outcome = host().wait(call_, nullptr, 0, longest);
    if (outcome != -ETIMEDOUT || longest == length) return outcome;
    const std::int64_t now = host().now();
    if (length >= 0) length = std::max<std::int64_t>(0, length - (now - began));
    began = now;
  }
  const int outcome = host().wait(call_, descriptors, count, length);
  at_once_ = outcome == 0 && host().now() - began < moment ? at_once_ + 1 : 0;
  return outcome;
}

bool Patience::wait() noexcept {
  if (first_) {
    first_ = false;
    const int flags = NonBlockingForNow::owners_flags(descriptor_);
    errno = is_open_for(events_, flags) ? EAGAIN : EBADF;
    if (errno == EBADF || (flags >= 0 && (flags & O_NONBLOCK) != 0)) return false;
    std::int64_t limit = socket_timeout(descriptor_, option_);
    if (limit < 0 && events_ == POLLIN && errno == ENOTSOCK) {
      limit = terminal_timeout(descriptor_);
      reads_nothing_ = limit >= 0;
    }
    if (limit >= 0) deadline_ = host().now() + limit;
  }
  std::int64_t left = -1;
  if (deadline_ >= 0) {
    left = deadline_ - host().now();
    if (left < 0) left = 0;
  }
  const pollfd wanted{.fd = descriptor_, .events = events_, .revents = 0};
  const int outcome = waits_.wait(&wanted, 1, left);
  if (outcome == 0) return true;
  nothing_came_ = outcome == -ETIMEDOUT && reads_nothing_;
  errno = outcome == -ETIMEDOUT ? EAGAIN : -outcome;
  return false;
}

}  // namespace clearway::hooks
