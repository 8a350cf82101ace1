#include <clearway/loop/signal_wake.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <clearway/base/error.hpp>
#include <clearway/loop/loop.hpp>

namespace clearway {
namespace {

// What the handler may touch: lock-free atomics. One slot per signal of the process.
struct Slot {
  std::atomic<int> event = -1;        // the watch's eventfd; -1: nobody watches
  std::atomic<int> count = 0;         // deliveries
  std::atomic<int> seen = 0;          // deliveries that the callback was told of
  std::atomic<bool> repeats = false;  // the second delivery does not end the process
};
static_assert(std::atomic<int>::is_always_lock_free);

constinit std::array<Slot, NSIG> slots;

void on_signal(int number) {
  const int saved = errno;
  Slot& slot = slots[static_cast<std::size_t>(number)];
  if (slot.count.fetch_add(1) > 0 && !slot.repeats.load()) {
    std::signal(number, SIG_DFL);
    // Blocked until this handler returns, and then it takes its default action.
    ::raise(number);
  } else if (const int event = slot.event.load(); event >= 0) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(event, &one, sizeof one);
  }
  errno = saved;
}

}  // namespace

SignalWatch::SignalWatch(Loop& loop, std::initializer_list<int> signals,
                         UniqueFunction<void(int)> callback, Repeat repeat)
    : loop_(loop), callback_(std::move(callback)) {
  if (loop_.driver().simulated()) return;
  event_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_.valid()) throw SystemError("cannot watch for signals", errno);
  watched_.reserve(signals.size());
  for (const int number : signals) {
    Slot& slot = slots[static_cast<std::size_t>(number)];
    int nobody = -1;
    if (!slot.event.compare_exchange_strong(nobody, event_.get())) {
      restore();
      throw UsageError(fmt::format(
          "signal {} is watched already: one SignalWatch per signal in a process", number));
    }
    slot.count = 0;
    slot.seen = 0;
    slot.repeats = repeat == Repeat::calls;
    struct sigaction action{};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    watched_.push_back({.number = number, .before = {}});
    ::sigaction(number, &action, &watched_.back().before);
  }
  kind = Kind::readable;
  handle = event_.get();
  listen();
}

void SignalWatch::restore() noexcept {
  for (const Watched& watched : watched_) {
    ::sigaction(watched.number, &watched.before, nullptr);
    slots[static_cast<std::size_t>(watched.number)].event = -1;
  }
}

SignalWatch::~SignalWatch() {
  restore();
  ending_ = true;
  if (pending) loop_.driver().cancel(*this);
}

void SignalWatch::listen() {
  while (loop_.driver().submit(*this)) deliver();
}

void SignalWatch::completed() {
  if (ending_) return;
  deliver();
  listen();
}

void SignalWatch::deliver() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(event_.get(), &count, sizeof count);
  for (const Watched& watched : watched_) {
    Slot& slot = slots[static_cast<std::size_t>(watched.number)];
    if (slot.count.load() > slot.seen.load()) {
      slot.seen = slot.count.load();
      callback_(watched.number);
    }
  }
}

}  // namespace clearway
