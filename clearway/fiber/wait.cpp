#include <clearway/fiber/wait.hpp>

#include <algorithm>
#include <cerrno>
#include <new>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <clearway/base/log.hpp>
#include <clearway/fiber/lane.hpp>
#include <clearway/fiber/locks.hpp>
#include <clearway/task/trace.hpp>

namespace clearway::detail {

namespace {

using namespace std::chrono_literals;

// After so many calls that were told of the cancellation and went on, a fiber is slowed down.
constexpr std::uint32_t most_refusals = 500;
constexpr Duration penalty = 100ms;
// An abandoned fiber gets so many.
constexpr std::uint32_t most_abandoned = 1'000'000;

constexpr short reading = POLLIN | POLLRDNORM | POLLRDBAND | POLLPRI | POLLRDHUP;
constexpr short writing = POLLOUT | POLLWRNORM | POLLWRBAND;
constexpr short urgent = POLLPRI | POLLRDBAND | POLLWRBAND;

void report_stubborn(Fiber& fiber, const char* call) noexcept {
  try {
    log::write(
        log::Level::warning, "fiber",
        fmt::format("a cancelled fiber goes on although {} of its calls, {}() the last, have "
                    "failed with ECANCELED: what it runs tries for ever. From now on each "
                    "takes {} ms\n{}",
                    most_refusals, call, penalty / 1ms, to_string(await_chain(fiber.promise()))));
  } catch (const std::bad_alloc&) {
    return;
  }
}

// Null: there is no memory for one.
FiberLane* lane_of(Loop& loop) noexcept {
  try {
    return &loop.service<FiberLane>();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

}  // namespace

int FiberWait::wait(const pollfd* descriptors, nfds_t count, std::int64_t nanoseconds) noexcept {
  const OnBehalf on_behalf(fiber_);
  if (fiber_.abandoned()) {
    if (fiber_.interrupt() > most_abandoned) fiber_.give_up();
    return -ECANCELED;
  }
  const HeldLocks held(fiber_, call_);
  if (!begin(fiber_.promise())) {
    fiber_.leave();
    return refuse();
  }
  descriptors_ = descriptors;
  count_ = count;
  try {
    if (make_watches(descriptors, count)) begin_waiting(nanoseconds);
  } catch (const std::bad_alloc&) {
    settle(-ENOMEM);
  }
  busy_ = false;
  if (!settled_ || pending_ > 0 || !done_at_once()) fiber_.leave();
  if (fiber_.abandoned()) settle(-ECANCELED);
  if (result_ == -ECANCELED) fiber_.interrupt();
  return result_;
}

void FiberWait::yield() noexcept {
  const OnBehalf on_behalf(fiber_);
  if (fiber_.abandoned()) return;
  const HeldLocks held(fiber_, call_);
  if (begin(fiber_.promise())) go_on();
  fiber_.leave();
}

// The level of a cancelled scope stays: every later call fails too. What does not give up then must
// not keep the loop busy.
int FiberWait::refuse() noexcept {
  const std::uint32_t refusals = fiber_.interrupt();
  if (refusals < most_refusals) return -ECANCELED;
  if (refusals == most_refusals) report_stubborn(fiber_, call_);
  sleep_unscoped(penalty);
  return -ECANCELED;
}

void FiberWait::pause(Duration length) noexcept {
  const OnBehalf on_behalf(fiber_);
  if (fiber_.abandoned()) {
    if (fiber_.interrupt() > most_abandoned) fiber_.give_up();
    return;
  }
  const HeldLocks held(fiber_, call_);
  sleep_unscoped(length);
}

void FiberWait::sleep_unscoped(Duration length) noexcept {
  PromiseBase& frame = fiber_.promise();
  CancelScope* const scope = std::exchange(frame.scope, nullptr);
  begin(frame);
  frame.scope = scope;
  Loop& loop = *Loop::current_or_null();
  loop.timers().set(*this, after(loop.now(), length));
  settled_ = false;
  busy_ = false;
  fiber_.leave();
}

void FiberWait::add_watch(int descriptor, Operation::Kind kind, bool submitted) {
  Loop& loop = *Loop::current_or_null();
  Watch& watch = (many_ == nullptr ? few_.data() : many_.get())[watches_++];
  watch.owner = this;
  loop.service<ParkedTable>().add(watch, descriptor);
  if (!submitted || loop.driver().simulated()) return;
  watch.kind = kind;
  watch.handle = descriptor;
  if (loop.driver().submit(watch)) {
    settle(0);
  } else {
    ++pending_;
  }
}

// False: it is settled.
bool FiberWait::make_watches(const pollfd* descriptors, nfds_t count) {
  std::size_t needed = 0;
  bool plain = true;  // what the driver can wait for
  for (nfds_t index = 0; index < count; ++index) {
    if (descriptors[index].fd < 0) continue;
    const short events = descriptors[index].events;
    needed += ((events & reading) != 0) + ((events & writing) != 0);
    plain = plain && (events & (POLLIN | POLLRDNORM | writing)) != 0 && (events & urgent) == 0;
  }
  if (!plain || needed > few_.size()) return watch_together(descriptors, count);
  for (nfds_t index = 0; index < count && !settled_; ++index) {
    if (descriptors[index].fd < 0) continue;
    const short events = descriptors[index].events;
    if ((events & reading) != 0) {
      add_watch(descriptors[index].fd, Operation::Kind::readable, true);
    }
    if ((events & writing) != 0 && !settled_) {
      add_watch(descriptors[index].fd, Operation::Kind::writable, true);
    }
  }
  return !settled_;
}

// An epoll instance knows every kind of event, waits for any number of descriptors, and can be
// waited for itself.
bool FiberWait::watch_together(const pollfd* descriptors, nfds_t count) {
  many_ = std::make_unique<Watch[]>(count + 1);
  together_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
  if (!together_.valid()) {
    settle(-errno);
    return false;
  }
  for (nfds_t index = 0; index < count; ++index) {
    if (descriptors[index].fd < 0) continue;
    epoll_event event{};
    event.events = static_cast<std::uint32_t>(descriptors[index].events);
    if (::epoll_ctl(together_.get(), EPOLL_CTL_ADD, descriptors[index].fd, &event) != 0) {
      if (errno != EEXIST) {
        settle(errno == EPERM ? 0 : -errno);  // regular files are always ready
        return false;
      }
      // The same descriptor twice: for either's events, and whoever asked looks which it was.
      for (nfds_t other = 0; other < index; ++other) {
        if (descriptors[other].fd != descriptors[index].fd) continue;
        event.events |= static_cast<std::uint32_t>(descriptors[other].events);
      }
      ::epoll_ctl(together_.get(), EPOLL_CTL_MOD, descriptors[index].fd, &event);
    }
    add_watch(descriptors[index].fd, Operation::Kind::readable, false);
  }
  add_watch(together_.get(), Operation::Kind::readable, true);
  return !settled_;
}

void FiberWait::begin_waiting(std::int64_t nanoseconds) {
  Loop& loop = *Loop::current_or_null();
  if (nanoseconds != for_ever) deadline_ = after(loop.now(), Duration(nanoseconds));
  if (loop.driver().simulated() && count_ > 0) {
    pause_ = 50us;
    look_again();
  } else if (deadline_ != never) {
    loop.timers().set(*this, deadline_);
  }
}

// In a simulated world descriptors are the kernel's all the same: it is asked again and again, at
// instants of virtual time.
void FiberWait::look_again() {
  constexpr Duration longest = 1s;
  const nfds_t count = together_.valid() ? 1 : count_;
  pollfd all = {.fd = together_.get(), .events = POLLIN, .revents = 0};
  std::unique_ptr<pollfd[]> copies;
  pollfd* asked = &all;
  if (!together_.valid()) {
    copies = std::make_unique<pollfd[]>(count);
    std::copy_n(descriptors_, count, copies.get());
    asked = copies.get();
  }
  if (::poll(asked, count, 0) != 0) {
    settle(0);
    return;
  }
  Loop& loop = *Loop::current_or_null();
  pause_ = std::min(2 * pause_, longest);
  loop.timers().set(*this, std::min(deadline_, after(loop.now(), pause_)));
}

void FiberWait::expired() {
  Loop& loop = *Loop::current_or_null();
  if (pause_ == Duration::zero() || loop.now() >= deadline_) {
    settle(-ETIMEDOUT);
    return;
  }
  try {
    look_again();
  } catch (const std::bad_alloc&) {
    settle(-ENOMEM);
  }
}

void FiberWait::watch_completed() noexcept {
  --pending_;
  if (!settled_) {
    settle(0);
  } else if (pending_ == 0 && !busy_) {
    go_on();
  }
}

// The first of what it waits for has come: the rest is called off, and when the driver has let go
// of it, the fiber goes on.
void FiberWait::settle(int result) noexcept {
  if (settled_) return;
  settled_ = true;
  result_ = result;
  Loop& loop = *Loop::current_or_null();
  loop.timers().cancel(*this);
  const bool waiting = !busy_;
  busy_ = true;
  Watch* const watches = many_ == nullptr ? few_.data() : many_.get();
  for (std::size_t index = 0; index < watches_; ++index) {
    loop.service<ParkedTable>().remove(watches[index]);
    if (watches[index].pending) loop.driver().cancel(watches[index]);
  }
  busy_ = !waiting;
  if (waiting && pending_ == 0) go_on();
}

// In simulation the seed decides who is next among all that is ready.
void FiberWait::go_on() noexcept {
  Loop& loop = *Loop::current_or_null();
  FiberLane* const lane = loop.driver().simulated() ? nullptr : lane_of(loop);
  if (lane == nullptr) {
    wake();
    return;
  }
  StackNode<ScopeTag>::unlink();
  lane->push(fiber_);
}

}  // namespace clearway::detail
