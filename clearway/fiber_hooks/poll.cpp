// poll, ppoll, select, pselect, epoll_wait and their relatives: asked without waiting, then waited
// for, and asked again.

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <algorithm>
#include <memory>
#include <new>

#include <clearway/fiber_hooks/real.hpp>

#if defined(__GNUC__) && !defined(__clang__)
// libc's headers say that poll() only writes to its list; so g++ takes our reading it for a
// mistake.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace clearway::hooks {
namespace {

constexpr std::int64_t for_ever = -1;

std::int64_t from_milliseconds(int length) noexcept {
  return length < 0 ? for_ever : std::int64_t{length} * 1'000'000;
}
bool valid(const timespec* length) noexcept {
  return length == nullptr ||
         (length->tv_sec >= 0 && length->tv_nsec >= 0 && length->tv_nsec < 1'000'000'000);
}

// `ask` gives how many are ready, without waiting.
template <class Ask>
int wait_until(const char* call, const pollfd* descriptors, nfds_t count, std::int64_t length,
               Ask ask) {
  const std::int64_t deadline = length == for_ever ? 0 : host().now() + length;
  for (;;) {
    const int ready = ask();
    if (ready != 0) {
      const int code = errno;
      host().spend();
      errno = code;
      return ready;
    }
    std::int64_t left = for_ever;
    if (length != for_ever) {
      left = deadline - host().now();
      if (left <= 0) return 0;
    }
    const int outcome = host().wait(call, descriptors, count, left);
    if (outcome == -ETIMEDOUT) return ask();
    if (outcome != 0) return fail(-outcome);
  }
}

// Where such a call is made, and by whom; `Really` is libc's.
template <class Ask, class Really>
int poll_call(const char* call, const pollfd* descriptors, nfds_t count, std::int64_t length,
              const void* caller, Ask ask, Really really) {
  const FiberHost::Place where = length == 0 ? FiberHost::elsewhere : place();
  if (where == FiberHost::elsewhere) return really();
  if (where == FiberHost::in_task) {
    const int ready = ask();
    if (ready != 0) return ready;
    host().blocks(call, caller);
    return really();
  }
  return wait_until(call, descriptors, count, length, ask);
}

int poll_any(pollfd* descriptors, nfds_t count, int milliseconds, const void* caller) {
  return poll_call(
      "poll", descriptors, count, from_milliseconds(milliseconds), caller,
      [&] { return real_poll(descriptors, count, 0); },
      [&] { return real_poll(descriptors, count, milliseconds); });
}

int ppoll_any(pollfd* descriptors, nfds_t count, const timespec* length, const sigset_t* mask,
              const void* caller) {
  constexpr timespec zero{};
  if (!valid(length)) return fail(EINVAL);
  return poll_call(
      "ppoll", descriptors, count, length == nullptr ? for_ever : nanoseconds(*length), caller,
      [&] { return real_ppoll(descriptors, count, &zero, mask); },
      [&] { return real_ppoll(descriptors, count, length, mask); });
}

// select()'s sets as poll()'s list.
class Sets {
 public:
  Sets(int count, fd_set* readers, fd_set* writers, fd_set* others) noexcept
      : sets_{readers, writers, others} {
    std::size_t wanted = 0;
    for (int number = 0; number < count && number < FD_SETSIZE; ++number) {
      wanted += events_of(number) != 0;
    }
    list_.reset(new (std::nothrow) pollfd[wanted + 1]);
    if (list_ == nullptr) return;
    for (int number = 0; number < count && number < FD_SETSIZE; ++number) {
      const short events = events_of(number);
      if (events != 0) list_[size_++] = {.fd = number, .events = events, .revents = 0};
    }
  }
  [[nodiscard]] pollfd* data() const noexcept { return list_.get(); }
  [[nodiscard]] nfds_t size() const noexcept { return size_; }

  // What select() gives: the sets hold what is ready.
  int ask() noexcept {
    if (real_poll(list_.get(), size_, 0) < 0) return -1;
    int ready = 0;
    for (nfds_t index = 0; index < size_; ++index) {
      if ((list_[index].revents & POLLNVAL) != 0) return fail(EBADF);
      for (int kind = 0; kind < 3; ++kind) ready += (list_[index].revents & counts_as[kind]) != 0;
    }
    return ready;
  }
  void store() noexcept {
    for (int kind = 0; kind < 3; ++kind) {
      if (sets_[kind] == nullptr) continue;
      for (nfds_t index = 0; index < size_; ++index) {
        const bool wanted = (list_[index].events & asks_for[kind]) != 0;
        if (!wanted || (list_[index].revents & counts_as[kind]) == 0) {
          FD_CLR(list_[index].fd, sets_[kind]);
        }
      }
    }
  }

 private:
  static constexpr short asks_for[3] = {POLLIN, POLLOUT, POLLPRI};
  static constexpr short counts_as[3] = {POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI};

  [[nodiscard]] short events_of(int number) const noexcept {
    short events = 0;
    for (int kind = 0; kind < 3; ++kind) {
      if (sets_[kind] != nullptr && FD_ISSET(number, sets_[kind])) {
        events = static_cast<short>(events | asks_for[kind]);
      }
    }
    return events;
  }

  fd_set* sets_[3];
  std::unique_ptr<pollfd[]> list_;
  nfds_t size_ = 0;
};

// How many bits select() counts: a descriptor that is ready in two sets counts twice, and only in
// the sets that it is in.
int select_on_fiber(const char* call, Sets& sets, std::int64_t length) {
  if (sets.data() == nullptr) return fail(ENOMEM);
  const int ready = wait_until(call, sets.data(), sets.size(), length, [&] { return sets.ask(); });
  if (ready >= 0) sets.store();
  return ready;
}

int epoll_call(const char* call, int descriptor, std::int64_t length, const void* caller,
               const auto& ask, const auto& really) {
  const pollfd wanted{.fd = descriptor, .events = POLLIN, .revents = 0};
  return poll_call(call, &wanted, 1, length, caller, ask, really);
}

}  // namespace
}  // namespace clearway::hooks

using namespace clearway;
using namespace clearway::hooks;

CLEARWAY_HOOK int poll(pollfd* descriptors, nfds_t count, int milliseconds) {
  return poll_any(descriptors, count, milliseconds, CLEARWAY_CALLER);
}

CLEARWAY_HOOK int __poll(pollfd* descriptors, nfds_t count, int milliseconds) {
  return poll_any(descriptors, count, milliseconds, CLEARWAY_CALLER);
}

CLEARWAY_HOOK int __poll_chk(pollfd* descriptors, nfds_t count, int milliseconds, size_t room) {
  if (room / sizeof *descriptors < count) {
    return real_poll_chk(descriptors, count, milliseconds, room);
  }
  return poll_any(descriptors, count, milliseconds, CLEARWAY_CALLER);
}

CLEARWAY_HOOK int ppoll(pollfd* descriptors, nfds_t count, const timespec* length,
                        const sigset_t* mask) {
  return ppoll_any(descriptors, count, length, mask, CLEARWAY_CALLER);
}

CLEARWAY_HOOK int __ppoll_chk(pollfd* descriptors, nfds_t count, const timespec* length,
                              const sigset_t* mask, size_t room) {
  if (room / sizeof *descriptors < count) {
    return real_ppoll_chk(descriptors, count, length, mask, room);
  }
  return ppoll_any(descriptors, count, length, mask, CLEARWAY_CALLER);
}

CLEARWAY_HOOK int select(int count, fd_set* readers, fd_set* writers, fd_set* others,
                         timeval* length) {
  const FiberHost::Place where = place();
  if (where != FiberHost::on_fiber) {
    const bool waits = length == nullptr || length->tv_sec != 0 || length->tv_usec != 0;
    if (where == FiberHost::in_task && waits) host().blocks("select", CLEARWAY_CALLER);
    return real_select(count, readers, writers, others, length);
  }
  if (length != nullptr && (length->tv_sec < 0 || length->tv_usec < 0)) return fail(EINVAL);
  Sets sets(count, readers, writers, others);
  const std::int64_t start = host().now();
  const std::int64_t wanted =
      length == nullptr ? for_ever : nanoseconds(length->tv_sec, length->tv_usec * 1'000);
  const int ready = select_on_fiber("select", sets, wanted);
  if (length != nullptr) {  // Linux says how much is left (select(2))
    const std::int64_t left = std::max<std::int64_t>(0, wanted - (host().now() - start));
    length->tv_sec = left / 1'000'000'000;
    length->tv_usec = left % 1'000'000'000 / 1'000;
  }
  return ready;
}

CLEARWAY_HOOK int pselect(int count, fd_set* readers, fd_set* writers, fd_set* others,
                          const timespec* length, const sigset_t* mask) {
  const FiberHost::Place where = place();
  if (where != FiberHost::on_fiber || mask != nullptr) {
    const bool waits = length == nullptr || nanoseconds(*length) != 0;
    if (where == FiberHost::in_task && waits) host().blocks("pselect", CLEARWAY_CALLER);
    return real_pselect(count, readers, writers, others, length, mask);
  }
  if (!valid(length)) return fail(EINVAL);
  Sets sets(count, readers, writers, others);
  return select_on_fiber("pselect", sets, length == nullptr ? for_ever : nanoseconds(*length));
}

CLEARWAY_HOOK int epoll_wait(int descriptor, epoll_event* events, int most, int milliseconds) {
  return epoll_call(
      "epoll_wait", descriptor, from_milliseconds(milliseconds), CLEARWAY_CALLER,
      [&] { return real_epoll_wait(descriptor, events, most, 0); },
      [&] { return real_epoll_wait(descriptor, events, most, milliseconds); });
}

CLEARWAY_HOOK int epoll_pwait(int descriptor, epoll_event* events, int most, int milliseconds,
                              const sigset_t* mask) {
  return epoll_call(
      "epoll_pwait", descriptor, from_milliseconds(milliseconds), CLEARWAY_CALLER,
      [&] { return real_epoll_pwait(descriptor, events, most, 0, mask); },
      [&] { return real_epoll_pwait(descriptor, events, most, milliseconds, mask); });
}

CLEARWAY_HOOK int epoll_pwait2(int descriptor, epoll_event* events, int most,
                               const timespec* length, const sigset_t* mask) {
  if (!valid(length)) return fail(EINVAL);
  return epoll_call(
      "epoll_pwait2", descriptor, length == nullptr ? for_ever : nanoseconds(*length),
      CLEARWAY_CALLER, [&] { return real_epoll_pwait(descriptor, events, most, 0, mask); },
      [&] { return real_epoll_pwait2(descriptor, events, most, length, mask); });
}
