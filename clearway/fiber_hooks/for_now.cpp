#include <clearway/fiber_hooks/for_now.hpp>

#include <array>
#include <atomic>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <clearway/fiber_hooks/real.hpp>

namespace clearway::hooks {
namespace {

// By the open file, which may have several descriptors. Held for a system call that does not wait.
constexpr std::size_t orders = 64;
struct Orders {
  Orders() noexcept { renew(); }
  void renew() noexcept {
    for (pthread_mutex_t& mutex : all) mutex = PTHREAD_MUTEX_INITIALIZER;
  }
  std::array<pthread_mutex_t, orders> all;
  std::atomic<std::uint64_t> begun = 0;
  std::atomic<std::uint64_t> ended = 0;
};

Orders& shared() noexcept {
  static Orders* const forever = [] {
    static Orders made;
    // A child has one thread, and those that were in the middle of something are not there.
    ::pthread_atfork(nullptr, nullptr, [] {
      made.renew();
      made.ended = made.begun.load();
    });
    return &made;
  }();
  return *forever;
}

pthread_mutex_t* order_of(int descriptor) noexcept {
  struct stat information{};
  const bool known = ::fstat(descriptor, &information) == 0;
  return &shared().all[known ? information.st_ino % orders : 0];
}

}  // namespace

NonBlockingForNow::NonBlockingForNow(int descriptor) noexcept
    : descriptor_(descriptor), flags_(-1), order_(order_of(descriptor)) {
  const int code = errno;
  real_mutex_lock(order_);
  flags_ = ::fcntl(descriptor_, F_GETFL);
  if (changes()) {
    shared().begun.fetch_add(1);
    ::fcntl(descriptor_, F_SETFL, flags_ | O_NONBLOCK);
  }
  errno = code;
}

NonBlockingForNow::~NonBlockingForNow() {
  const int code = errno;
  if (changes()) {
    // Others may have changed the rest of them meanwhile.
    const int flags = ::fcntl(descriptor_, F_GETFL);
    if (flags >= 0) ::fcntl(descriptor_, F_SETFL, flags & ~O_NONBLOCK);
    shared().ended.fetch_add(1);
  }
  real_mutex_unlock(order_);
  errno = code;
}

bool NonBlockingForNow::changes() const noexcept {
  return flags_ >= 0 && (flags_ & O_NONBLOCK) == 0;
}

int NonBlockingForNow::owners_flags(int descriptor) noexcept {
  const Beside beside;
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) == 0 || !beside.any()) return flags;
  pthread_mutex_t* const order = order_of(descriptor);
  real_mutex_lock(order);
  const int settled = ::fcntl(descriptor, F_GETFL);
  real_mutex_unlock(order);
  return settled;
}

NonBlockingForNow::Beside::Beside() noexcept : ended_before_(shared().ended.load()) {}

// What had ended before the call does not concern it.
bool NonBlockingForNow::Beside::any() const noexcept {
  return shared().begun.load() != ended_before_;
}

}  // namespace clearway::hooks
