// write, writev, send, sendto, sendmsg, sendmmsg, sendfile. On a blocking stream each of them goes
// on until everything is sent, as it does in a thread.

#include <algorithm>
#include <climits>
#include <memory>
#include <new>

#include <poll.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <clearway/fiber_hooks/message.hpp>
#include <clearway/fiber_hooks/real.hpp>

namespace clearway::hooks {
namespace {

// What a pipe that says it can be written to takes without waiting, and in one piece: pipe(7).
constexpr std::size_t pipe_room = PIPE_BUF;

// What is no socket. Pipes can be written to without waiting since Linux 6.4; terminals and older
// pipes are asked first, and are then given little at once: a pipe no more than it takes, a
// terminal what does not keep the loop for long. Other devices may take a write for one message,
// and regular files take as long as the disk does.
ssize_t write_now(int descriptor, const iovec* pieces, int count) {
  struct stat information{};
  const mode_t mode = ::fstat(descriptor, &information) == 0 ? information.st_mode : 0;
  if (S_ISFIFO(mode)) {
    const ssize_t result = ::pwritev2(descriptor, pieces, count, -1, RWF_NOWAIT);
    if (result >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return result;
  }
  if (non_blocking(descriptor)) return real_writev(descriptor, pieces, count);
  pollfd asked{.fd = descriptor, .events = POLLOUT, .revents = 0};
  if (real_poll(&asked, 1, 0) == 0) return fail(EAGAIN);
  std::size_t size = 0;
  for (int index = 0; index < count; ++index) size += pieces[index].iov_len;
  const bool is_terminal = S_ISCHR(mode) && ::isatty(descriptor) == 1;
  if (size <= pipe_room || !(S_ISFIFO(mode) || is_terminal)) {
    return real_writev(descriptor, pieces, count);
  }
  const iovec& first =
      *std::find_if(pieces, pieces + count, [](const iovec& piece) { return piece.iov_len > 0; });
  return real_write(descriptor, first.iov_base, std::min(first.iov_len, pipe_room));
}

// TCP Fast Open without a cookie (tcp(7)): the connection is made first, and then the data is sent.
bool is_being_connected(int flags) noexcept {
  return errno == EINPROGRESS && (flags & MSG_FASTOPEN) != 0;
}

// One attempt of a message.
ssize_t send_now(int descriptor, const msghdr& message, int flags, bool write_to_any) {
  const ssize_t result = real_sendmsg(descriptor, &message, flags | MSG_DONTWAIT);
  if (result >= 0 || errno != ENOTSOCK || !write_to_any) return result;
  return write_now(descriptor, message.msg_iov, static_cast<int>(message.msg_iovlen));
}

struct Sending {
  const char* call;
  int descriptor;
  int flags;
  bool write_to_any;  // write() and writev(), which are for all descriptors
  const void* caller;
};

// In a task: as much as goes at once; the rest blocks the loop, which is reported.
ssize_t send_in_task(const Sending& sending, const msghdr& message, Pieces& rest) {
  msghdr part = message;
  ssize_t total = 0;
  do {
    part.msg_iov = rest.data();
    part.msg_iovlen = rest.count();
    const ssize_t count = send_now(sending.descriptor, part, sending.flags, sending.write_to_any);
    if (count < 0 && errno != EAGAIN) return total > 0 ? total : count;
    if (count < 0) break;
    total += count;
    rest.advance(static_cast<std::size_t>(count));
    part.msg_control = nullptr;  // it went with the first part
    part.msg_controllen = 0;
    if (rest.left() == 0 || count == 0) return total;
  } while (true);
  if (non_blocking(sending.descriptor)) return total > 0 ? total : fail(EAGAIN);
  host().blocks(sending.call, sending.caller);
  const ssize_t last =
      sending.write_to_any
          ? real_writev(sending.descriptor, part.msg_iov, static_cast<int>(part.msg_iovlen))
          : real_sendmsg(sending.descriptor, &part, sending.flags);
  if (last < 0) return total > 0 ? total : last;
  return total + last;
}

ssize_t send_on_fiber(const Sending& sending, const msghdr& message, Pieces& rest) {
  Patience patience(sending.call, sending.descriptor, POLLOUT, SO_SNDTIMEO);
  const std::size_t wanted = rest.left();
  msghdr part = message;
  ssize_t total = 0;
  int flags = sending.flags;
  for (;;) {
    if (total > 0 && has_error(sending.descriptor)) break;  // it is the next call's
    part.msg_iov = rest.data();
    part.msg_iovlen = rest.count();
    const ssize_t count = send_now(sending.descriptor, part, flags, sending.write_to_any);
    if (count >= 0) {
      total += count;
      rest.advance(static_cast<std::size_t>(count));
      part.msg_control = nullptr;  // it went with the first part
      part.msg_controllen = 0;
      const bool all = static_cast<std::size_t>(total) >= wanted;
      if (all || count == 0 || non_blocking(sending.descriptor)) break;
      continue;
    }
    if (is_being_connected(flags)) {
      flags &= ~MSG_FASTOPEN;
      part.msg_name = nullptr;
      part.msg_namelen = 0;
      errno = EAGAIN;
    }
    if (errno == EAGAIN && patience.wait()) continue;
    if (total == 0) return -1;
    break;
  }
  // Not write(): it may be a signal handler's, in which no other fiber may run.
  if (!sending.write_to_any) host().spend();
  return total;
}

ssize_t send_message(const Sending& sending, const msghdr& message) {
  Pieces rest(message.msg_iov, message.msg_iovlen);
  if (!rest.valid()) return fail(ENOMEM);
  const ErrnoOfFailures ended;
  return ended(place() == FiberHost::in_task ? send_in_task(sending, message, rest)
                                             : send_on_fiber(sending, message, rest));
}

ssize_t send_piece(const Sending& sending, const void* data, std::size_t size,
                   const sockaddr* to = nullptr, socklen_t to_size = 0) {
  iovec piece{.iov_base = const_cast<void*>(data), .iov_len = size};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(to);
  message.msg_namelen = to_size;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  return send_message(sending, message);
}

// What sendfile() takes from, and reads without waiting for others.
bool is_file(int descriptor) noexcept {
  struct stat information{};
  return ::fstat(descriptor, &information) == 0 &&
         (S_ISREG(information.st_mode) || S_ISBLK(information.st_mode));
}

// Through a buffer of ours, since the kernel has no sendfile() that does not wait.
ssize_t send_file(int to, int from, off_t* offset, std::size_t size, const void* caller) {
  constexpr std::size_t buffer_size = 64 * 1024;
  const std::unique_ptr<char[]> buffer(new (std::nothrow) char[buffer_size]);
  if (buffer == nullptr) return fail(ENOMEM);
  std::size_t total = 0;
  while (total < size) {
    const std::size_t piece = std::min(size - total, buffer_size);
    const ssize_t count = offset != nullptr ? ::pread(from, buffer.get(), piece, *offset)
                                            : real_read(from, buffer.get(), piece);
    if (count < 0 && total == 0) return -1;
    if (count <= 0) break;
    const Sending sending{"sendfile", to, 0, true, caller};
    const ssize_t sent = send_piece(sending, buffer.get(), static_cast<std::size_t>(count));
    const ssize_t taken = sent < 0 ? 0 : sent;
    if (offset != nullptr) {
      *offset += taken;
    } else if (taken < count) {
      ::lseek(from, taken - count, SEEK_CUR);
    }
    total += static_cast<std::size_t>(taken);
    if (sent < 0 && total == 0) return -1;
    if (taken < count) break;
  }
  return static_cast<ssize_t>(total);
}

}  // namespace
}  // namespace clearway::hooks

using namespace clearway;
using namespace clearway::hooks;

CLEARWAY_HOOK ssize_t write(int descriptor, const void* data, size_t size) {
  if (size == 0 || place() == FiberHost::elsewhere) return real_write(descriptor, data, size);
  return send_piece({"write", descriptor, 0, true, CLEARWAY_CALLER}, data, size);
}

CLEARWAY_HOOK ssize_t writev(int descriptor, const iovec* pieces, int count) {
  if (!moves_something(pieces, count) || place() == FiberHost::elsewhere) {
    return real_writev(descriptor, pieces, count);
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return send_message({"writev", descriptor, 0, true, CLEARWAY_CALLER}, message);
}

CLEARWAY_HOOK ssize_t send(int descriptor, const void* data, size_t size, int flags) {
  if ((flags & MSG_DONTWAIT) != 0 || place() == FiberHost::elsewhere) {
    return real_send(descriptor, data, size, flags);
  }
  return send_piece({"send", descriptor, flags, false, CLEARWAY_CALLER}, data, size);
}

CLEARWAY_HOOK ssize_t sendto(int descriptor, const void* data, size_t size, int flags,
                             const sockaddr* to, socklen_t to_size) {
  if ((flags & MSG_DONTWAIT) != 0 || place() == FiberHost::elsewhere) {
    return real_sendto(descriptor, data, size, flags, to, to_size);
  }
  return send_piece({"sendto", descriptor, flags, false, CLEARWAY_CALLER}, data, size, to, to_size);
}

CLEARWAY_HOOK ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
  if ((flags & MSG_DONTWAIT) != 0 || place() == FiberHost::elsewhere) {
    return real_sendmsg(descriptor, message, flags);
  }
  return send_message({"sendmsg", descriptor, flags, false, CLEARWAY_CALLER}, *message);
}

CLEARWAY_HOOK int sendmmsg(int descriptor, mmsghdr* messages, unsigned int count, int flags) {
  if ((flags & MSG_DONTWAIT) != 0 || place() == FiberHost::elsewhere) {
    return real_sendmmsg(descriptor, messages, count, flags);
  }
  for (unsigned int index = 0; index < count; ++index) {
    const ssize_t sent = send_message({"sendmmsg", descriptor, flags, false, CLEARWAY_CALLER},
                                      messages[index].msg_hdr);
    if (sent < 0) return index == 0 ? -1 : static_cast<int>(index);
    messages[index].msg_len = static_cast<unsigned int>(sent);
  }
  return static_cast<int>(count);
}

CLEARWAY_HOOK ssize_t sendfile(int to, int from, off_t* offset, size_t size) noexcept {
  if (place() != FiberHost::on_fiber || size == 0 || !is_file(from)) {
    return real_sendfile(to, from, offset, size);
  }
  const ErrnoOfFailures ended;
  return ended(send_file(to, from, offset, size, CLEARWAY_CALLER));
}

CLEARWAY_HOOK ssize_t sendfile64(int to, int from, off64_t* offset, size_t size) noexcept {
  static_assert(sizeof(off_t) == sizeof(off64_t));
  return sendfile(to, from, reinterpret_cast<off_t*>(offset), size);
}
