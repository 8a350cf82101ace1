// poll, ppoll, select, pselect, epoll_wait and their relatives: asked without waiting, then waited
// for, and asked again.

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <algorithm>
#include <csignal>
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

// What a call waits for on a fiber.
struct Wanted {
  const char* call;
  const pollfd* descriptors;
  nfds_t count;
  std::int64_t length;
  const sigset_t* mask = nullptr;
};

// Signals that a call's mask lets in and the thread's own does not: such a one ends the wait. The
// thread goes on with its own mask meanwhile, so a descriptor has to say that one has come.
class LetIn {
 public:
  explicit LetIn(const Wanted& wanted) noexcept : wanted_(wanted) {
    if (wanted.mask == nullptr) return;
    sigset_t present;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &present);
    sigset_t let_in;
    ::sigemptyset(&let_in);
    for (int number = 1; number < NSIG; ++number) {
      if (::sigismember(&present, number) != 1 || ::sigismember(wanted.mask, number) != 0) continue;
      ::sigaddset(&let_in, number);
      any_ = true;
    }
    if (!any_) return;
    list_.reset(new (std::nothrow) pollfd[wanted.count + 1]);
    descriptor_ = ::signalfd(-1, &let_in, SFD_NONBLOCK | SFD_CLOEXEC);
    if (!valid()) return;
    list_[wanted.count] = {.fd = descriptor_, .events = POLLIN, .revents = 0};
  }
  LetIn(const LetIn&) = delete;
  LetIn& operator=(const LetIn&) = delete;
  ~LetIn() {
    const int code = errno;
    if (descriptor_ >= 0) real_close(descriptor_);
    errno = code;
  }
  // False: there is no memory, or no descriptor, for it.
  [[nodiscard]] bool valid() const noexcept {
    return !any_ || (list_ != nullptr && descriptor_ >= 0);
  }
  // One has come, and its handler has run.
  [[nodiscard]] bool interrupted() const noexcept {
    constexpr timespec zero{};
    return any_ && real_ppoll(nullptr, 0, &zero, wanted_.mask) < 0 && errno == EINTR;
  }
  // What to wait for; `wanted` may have changed since.
  [[nodiscard]] const pollfd* descriptors() const noexcept {
    if (!any_) return wanted_.descriptors;
    std::copy_n(wanted_.descriptors, wanted_.count, list_.get());
    return list_.get();
  }
  [[nodiscard]] nfds_t count() const noexcept { return wanted_.count + (any_ ? 1 : 0); }

 private:
  const Wanted& wanted_;
  bool any_ = false;
  int descriptor_ = -1;
  std::unique_ptr<pollfd[]> list_;
};

// `ask` gives how many are ready, without waiting. It is asked again after `longest()` nanoseconds
// at the latest.
template <class Ask, class Longest>
int wait_until(const Wanted& wanted, Ask ask, Longest longest) {
  const std::int64_t deadline = wanted.length == for_ever ? 0 : host().now() + wanted.length;
  const LetIn signals(wanted);
  if (!signals.valid()) return fail(ENOMEM);
  Waits waits(wanted.call);
  for (;;) {
    const int ready = ask();
    if (ready != 0) {
      const int code = errno;
      host().spend();
      errno = code;
      return ready;
    }
    if (signals.interrupted()) return fail(EINTR);
    std::int64_t left = longest();
    if (wanted.length != for_ever) {
      const std::int64_t rest = deadline - host().now();
      if (rest <= 0) {
        host().spend();
        return 0;
      }
      left = left == for_ever ? rest : std::min(left, rest);
    }
    const int outcome = waits.wait(signals.descriptors(), signals.count(), left);
    if (outcome != 0 && outcome != -ETIMEDOUT) return fail(-outcome);
  }
}

// Where such a call is made, and by whom; `Really` is libc's.
template <class Ask, class Really>
int poll_call(const Wanted& wanted, const void* caller, Ask ask, Really really) {
  const FiberHost::Place where = place();
  if (where == FiberHost::elsewhere) return really();
  const ErrnoOfFailures ended;
  if (wanted.length == 0) {
    const int ready = really();
    // Who asks again and again may be waiting for another fiber.
    if (ready == 0 && where == FiberHost::on_fiber) host().spend();
    return ended(ready);
  }
  if (where == FiberHost::in_task) {
    const int ready = ask();
    if (ready != 0) return ended(ready);
    host().blocks(wanted.call, caller);
    return ended(really());
  }
  return ended(wait_until(wanted, ask, [] { return for_ever; }));
}

int poll_any(pollfd* descriptors, nfds_t count, int milliseconds, const void* caller) {
  return poll_call(
      {"poll", descriptors, count, from_milliseconds(milliseconds)}, caller,
      [&] { return real_poll(descriptors, count, 0); },
      [&] { return real_poll(descriptors, count, milliseconds); });
}

int ppoll_any(pollfd* descriptors, nfds_t count, const timespec* length, const sigset_t* mask,
              const void* caller) {
  if (!valid(length)) return fail(EINVAL);
  return poll_call(
      {"ppoll", descriptors, count, length == nullptr ? for_ever : nanoseconds(*length), mask},
      caller, [&] { return real_poll(descriptors, count, 0); },
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

  // How many bits select() would give: a descriptor counts in each set that asks for it.
  int ask() noexcept {
    for (nfds_t index = 0; index < size_; ++index) list_[index].fd = number_of(list_[index]);
    some_left_out_ = false;
    if (real_poll(list_.get(), size_, 0) < 0) return -1;
    int ready = 0;
    for (nfds_t index = 0; index < size_; ++index) {
      if ((list_[index].revents & POLLNVAL) != 0) return fail(EBADF);
      for (int kind = 0; kind < 3; ++kind) ready += is_ready(list_[index], kind);
    }
    if (ready == 0) leave_out();
    return ready;
  }
  // Until those that are left out are to be asked again.
  [[nodiscard]] std::int64_t longest() const noexcept {
    constexpr std::int64_t pause = 10'000'000;
    return some_left_out_ ? pause : for_ever;
  }
  void store() noexcept {
    for (int kind = 0; kind < 3; ++kind) {
      if (sets_[kind] == nullptr) continue;
      for (nfds_t index = 0; index < size_; ++index) {
        if (!is_ready(list_[index], kind)) FD_CLR(number_of(list_[index]), sets_[kind]);
      }
    }
  }

 private:
  static constexpr short asks_for[3] = {POLLIN, POLLOUT, POLLPRI};
  // POLLIN_SET, POLLOUT_SET and POLLEX_SET of the kernel's fs/select.c.
  static constexpr short counts_as[3] = {POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI};

  static bool is_ready(const pollfd& one, int kind) noexcept {
    return (one.events & asks_for[kind]) != 0 && (one.revents & counts_as[kind]) != 0;
  }
  static int number_of(const pollfd& one) noexcept { return one.fd < 0 ? ~one.fd : one.fd; }
  // poll() reports POLLHUP and POLLERR to those who do not ask; select() lets them wait. They would
  // end each wait at once: it goes without them, and they are looked at again after a while.
  void leave_out() noexcept {
    for (nfds_t index = 0; index < size_; ++index) {
      if (list_[index].revents == 0) continue;
      list_[index].fd = ~list_[index].fd;
      some_left_out_ = true;
    }
  }
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
  bool some_left_out_ = false;
};

int select_on_fiber(const char* call, Sets& sets, std::int64_t length,
                    const sigset_t* mask = nullptr) {
  if (sets.data() == nullptr) return fail(ENOMEM);
  const ErrnoOfFailures ended;
  const Wanted wanted{call, sets.data(), sets.size(), length, mask};
  const int ready = wait_until(wanted, [&] { return sets.ask(); }, [&] { return sets.longest(); });
  if (ready >= 0) sets.store();
  return ended(ready);
}

// epoll_wait() and its relatives; `mask` is null for the first.
struct EpollCall {
  const char* call;
  int descriptor;
  epoll_event* events;
  int most;
  const sigset_t* mask;
  const void* caller;

  int make(std::int64_t length, const auto& really) const {
    const pollfd wanted{.fd = descriptor, .events = POLLIN, .revents = 0};
    const auto ask = [this] { return real_epoll_wait(descriptor, events, most, 0); };
    return poll_call({call, &wanted, 1, length, mask}, caller, ask, really);
  }
};

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
  if (count < 0 || (length != nullptr && (length->tv_sec < 0 || length->tv_usec < 0))) {
    return fail(EINVAL);
  }
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
  if (where != FiberHost::on_fiber) {
    const bool waits = length == nullptr || nanoseconds(*length) != 0;
    if (where == FiberHost::in_task && waits) host().blocks("pselect", CLEARWAY_CALLER);
    return real_pselect(count, readers, writers, others, length, mask);
  }
  if (count < 0 || !valid(length)) return fail(EINVAL);
  Sets sets(count, readers, writers, others);
  return select_on_fiber("pselect", sets, length == nullptr ? for_ever : nanoseconds(*length),
                         mask);
}

CLEARWAY_HOOK int epoll_wait(int descriptor, epoll_event* events, int most, int milliseconds) {
  const EpollCall call{"epoll_wait", descriptor, events, most, nullptr, CLEARWAY_CALLER};
  const auto really = [&] { return real_epoll_wait(descriptor, events, most, milliseconds); };
  return call.make(from_milliseconds(milliseconds), really);
}

CLEARWAY_HOOK int epoll_pwait(int descriptor, epoll_event* events, int most, int milliseconds,
                              const sigset_t* mask) {
  const EpollCall call{"epoll_pwait", descriptor, events, most, mask, CLEARWAY_CALLER};
  const auto really = [&] {
    return real_epoll_pwait(descriptor, events, most, milliseconds, mask);
  };
  return call.make(from_milliseconds(milliseconds), really);
}

CLEARWAY_HOOK int epoll_pwait2(int descriptor, epoll_event* events, int most,
                               const timespec* length, const sigset_t* mask) {
  if (!valid(length)) return fail(EINVAL);
  const EpollCall call{"epoll_pwait2", descriptor, events, most, mask, CLEARWAY_CALLER};
  const auto really = [&] { return real_epoll_pwait2(descriptor, events, most, length, mask); };
  return call.make(length == nullptr ? for_ever : nanoseconds(*length), really);
}
