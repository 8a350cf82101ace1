// read, readv, recv, recvfrom, recvmsg, recvmmsg, and what a fortified program calls instead.

#include <algorithm>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <clearway/fiber_hooks/hook.hpp>
#include <clearway/fiber_hooks/message.hpp>
#include <clearway/fiber_hooks/real.hpp>

namespace clearway::hooks {
namespace {

// What is no socket. Pipes can be read without waiting since Linux 6.4; terminals, timers and older
// pipes are asked first. Regular files always say that they can be read, and then take as long as
// the disk does.
ssize_t read_file_now(int descriptor, const iovec* pieces, int count) {
  struct stat information{};
  const mode_t mode = ::fstat(descriptor, &information) == 0 ? information.st_mode : 0;
  if (S_ISFIFO(mode)) {
    const ssize_t result = ::preadv2(descriptor, pieces, count, -1, RWF_NOWAIT);
    if (result >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return result;
  }
  pollfd asked{.fd = descriptor, .events = POLLIN, .revents = 0};
  const bool nothing = real_poll(&asked, 1, 0) == 0;
  // (A terminal that does not wait gives EAGAIN or nothing, as it is set.)
  if (nothing && !(S_ISCHR(mode) && non_blocking(descriptor))) return fail(EAGAIN);
  return real_readv(descriptor, pieces, count);
}

ssize_t read_now(int descriptor, const iovec* pieces, int count) {
  ssize_t result = 0;
  if (count == 1) {
    result = real_recv(descriptor, pieces->iov_base, pieces->iov_len, MSG_DONTWAIT);
  } else {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces);
    message.msg_iovlen = static_cast<std::size_t>(count);
    result = real_recvmsg(descriptor, &message, MSG_DONTWAIT);
  }
  if (result >= 0 || errno != ENOTSOCK) return result;
  return read_file_now(descriptor, pieces, count);
}

ssize_t read_pieces(const char* call, int descriptor, const iovec* pieces, int count,
                    const void* caller) {
  return blocking_call(
      Patience(call, descriptor, POLLIN, SO_RCVTIMEO), call, descriptor, caller,
      [&] { return read_now(descriptor, pieces, count); },
      [&] { return real_readv(descriptor, pieces, count); });
}

// With MSG_WAITALL the call goes on until everything is there, unless the stream ends, the time is
// over, it is interrupted, or something came with the bytes (descriptors): then what there is
// counts. So it does before an error, which is the next call's.
ssize_t receive_all(const char* call, int descriptor, msghdr* message, int flags) {
  Pieces rest(message->msg_iov, message->msg_iovlen);
  if (!rest.valid()) return fail(ENOMEM);
  Patience patience(call, descriptor, POLLIN, SO_RCVTIMEO);
  ssize_t total = 0;
  msghdr part = *message;
  while (rest.left() > 0) {
    if (total > 0 && has_error(descriptor)) break;
    part.msg_iov = rest.data();
    part.msg_iovlen = rest.count();
    part.msg_controllen = message->msg_controllen;
    const ssize_t count = real_recvmsg(descriptor, &part, flags | MSG_DONTWAIT);
    if (count == 0) break;
    if (count > 0) {
      total += count;
      rest.advance(static_cast<std::size_t>(count));
      if (part.msg_controllen > 0) break;
      continue;
    }
    if (errno != EAGAIN || !patience.wait()) {
      if (total == 0) return -1;
      part.msg_controllen = 0;
      break;
    }
  }
  message->msg_namelen = part.msg_namelen;
  message->msg_controllen = part.msg_controllen;
  message->msg_flags = part.msg_flags;
  host().spend();
  return total;
}

bool wants_all(int descriptor, int flags) {
  return (flags & MSG_WAITALL) != 0 && (flags & (MSG_DONTWAIT | MSG_PEEK | MSG_ERRQUEUE)) == 0 &&
         place() != FiberHost::elsewhere && is_stream(descriptor) && !non_blocking(descriptor);
}

// In a task the call is the kernel's, so that it gives what it gives elsewhere; it is reported
// unless everything is there.
ssize_t receive_all_in_task(const char* call, int descriptor, msghdr* message, int flags,
                            const void* caller) {
  std::size_t wanted = 0;
  for (std::size_t index = 0; index < message->msg_iovlen; ++index) {
    wanted += message->msg_iov[index].iov_len;
  }
  msghdr peek{};
  peek.msg_iov = message->msg_iov;
  peek.msg_iovlen = message->msg_iovlen;
  const ssize_t present = real_recvmsg(descriptor, &peek, MSG_PEEK | MSG_DONTWAIT);
  if (present != 0 && static_cast<std::size_t>(std::max<ssize_t>(present, 0)) < wanted) {
    host().blocks(call, caller);
  }
  return real_recvmsg(descriptor, message, flags);
}

ssize_t receive_all_here(const char* call, int descriptor, msghdr* message, int flags,
                         const void* caller) {
  if (place() == FiberHost::on_fiber) return receive_all(call, descriptor, message, flags);
  return receive_all_in_task(call, descriptor, message, flags, caller);
}

// A call that does not wait may be made again and again until something comes, of another fiber.
ssize_t spent(ssize_t result) noexcept {
  if (result >= 0 || errno != EAGAIN || place() != FiberHost::on_fiber) return result;
  host().spend();
  return fail(EAGAIN);
}

ssize_t receive_message(int descriptor, msghdr* message, int flags, const void* caller) {
  if ((flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) != 0) {
    return spent(real_recvmsg(descriptor, message, flags));
  }
  const ErrnoOfFailures ended;
  if (wants_all(descriptor, flags)) {
    return ended(receive_all_here("recvmsg", descriptor, message, flags, caller));
  }
  errno = ended.before();
  return blocking_call(
      Patience("recvmsg", descriptor, POLLIN, SO_RCVTIMEO), "recvmsg", descriptor, caller,
      [&] { return real_recvmsg(descriptor, message, flags | MSG_DONTWAIT); },
      [&] { return real_recvmsg(descriptor, message, flags); });
}

ssize_t receive_from(const char* call, int descriptor, void* data, std::size_t size, int flags,
                     sockaddr* from, socklen_t* from_size, const void* caller) {
  const auto make = [&](int with) {
    return real_recvfrom(descriptor, data, size, with, from, from_size);
  };
  if ((flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) != 0) return spent(make(flags));
  const ErrnoOfFailures ended;
  if (wants_all(descriptor, flags)) {
    iovec piece{.iov_base = data, .iov_len = size};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (from != nullptr) *from_size = 0;  // as the kernel has it for streams
    return ended(receive_all_here(call, descriptor, &message, flags, caller));
  }
  errno = ended.before();
  return blocking_call(
      Patience(call, descriptor, POLLIN, SO_RCVTIMEO), call, descriptor, caller,
      [&] { return make(flags | MSG_DONTWAIT); }, [&] { return make(flags); });
}

// The time limit of recvmmsg(2): looked at after each message, and only then.
class MessageLimit {
 public:
  explicit MessageLimit(timespec* limit) noexcept : limit_(limit) {
    if (limit != nullptr) deadline_ = now() + nanoseconds(*limit);
  }
  // Notes how much is left.
  [[nodiscard]] bool over() noexcept {
    constexpr std::int64_t second = 1'000'000'000;
    if (limit_ == nullptr) return false;
    const std::int64_t left = std::max<std::int64_t>(0, deadline_ - now());
    *limit_ = {.tv_sec = left / second, .tv_nsec = left % second};
    return left == 0;
  }

 private:
  static std::int64_t now() noexcept {
    timespec present{};
    ::clock_gettime(CLOCK_MONOTONIC, &present);
    return nanoseconds(present);
  }

  timespec* limit_;
  std::int64_t deadline_ = 0;
};

}  // namespace
}  // namespace clearway::hooks

using namespace clearway;
using namespace clearway::hooks;

CLEARWAY_HOOK ssize_t read(int descriptor, void* data, size_t size) {
  if (size == 0 || place() == FiberHost::elsewhere) return real_read(descriptor, data, size);
  const iovec piece{.iov_base = data, .iov_len = size};
  return read_pieces("read", descriptor, &piece, 1, CLEARWAY_CALLER);
}

CLEARWAY_HOOK ssize_t readv(int descriptor, const iovec* pieces, int count) {
  if (!moves_something(pieces, count) || place() == FiberHost::elsewhere) {
    return real_readv(descriptor, pieces, count);
  }
  return read_pieces("readv", descriptor, pieces, count, CLEARWAY_CALLER);
}

CLEARWAY_HOOK ssize_t recv(int descriptor, void* data, size_t size, int flags) {
  return receive_from("recv", descriptor, data, size, flags, nullptr, nullptr, CLEARWAY_CALLER);
}

CLEARWAY_HOOK ssize_t recvfrom(int descriptor, void* data, size_t size, int flags, sockaddr* from,
                               socklen_t* from_size) {
  return receive_from("recvfrom", descriptor, data, size, flags, from, from_size, CLEARWAY_CALLER);
}

CLEARWAY_HOOK ssize_t recvmsg(int descriptor, msghdr* message, int flags) {
  return receive_message(descriptor, message, flags, CLEARWAY_CALLER);
}

CLEARWAY_HOOK int recvmmsg(int descriptor, mmsghdr* messages, unsigned int count, int flags,
                           timespec* limit) {
  const bool plain = (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) != 0 || count == 0 ||
                     (limit != nullptr &&
                      (limit->tv_sec < 0 || limit->tv_nsec < 0 || limit->tv_nsec >= 1'000'000'000));
  if (plain || place() == FiberHost::elsewhere) {
    return real_recvmmsg(descriptor, messages, count, flags, limit);
  }
  const int each = flags & ~MSG_WAITFORONE;
  MessageLimit until(limit);
  for (unsigned int index = 0; index < count; ++index) {
    if (index > 0 && has_error(descriptor)) return static_cast<int>(index);
    const bool may_wait = index == 0 || (flags & MSG_WAITFORONE) == 0;
    const ssize_t size = receive_message(descriptor, &messages[index].msg_hdr,
                                         may_wait ? each : each | MSG_DONTWAIT, CLEARWAY_CALLER);
    if (size < 0) return index == 0 ? -1 : static_cast<int>(index);
    messages[index].msg_len = static_cast<unsigned int>(size);
    if (until.over()) return static_cast<int>(index + 1);
  }
  return static_cast<int>(count);
}

// What -D_FORTIFY_SOURCE makes of the calls; libc's own end the program when the buffer is smaller.

CLEARWAY_HOOK ssize_t __read_chk(int descriptor, void* data, size_t size, size_t room) {
  if (size > room) return real_read_chk(descriptor, data, size, room);
  return read(descriptor, data, size);
}

CLEARWAY_HOOK ssize_t __recv_chk(int descriptor, void* data, size_t size, size_t room, int flags) {
  if (size > room) return real_recv_chk(descriptor, data, size, room, flags);
  return recv(descriptor, data, size, flags);
}

CLEARWAY_HOOK ssize_t __recvfrom_chk(int descriptor, void* data, size_t size, size_t room,
                                     int flags, sockaddr* from, socklen_t* from_size) {
  if (size > room) {
    return real_recvfrom_chk(descriptor, data, size, room, flags, from, from_size);
  }
  return recvfrom(descriptor, data, size, flags, from, from_size);
}
