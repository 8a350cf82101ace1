#include <clearway/fiber/locks.hpp>

#include <new>

#include <fmt/format.h>
#include <clearway/base/log.hpp>
#include <clearway/fiber/blocking.hpp>
#include <clearway/task/trace.hpp>

namespace clearway::detail {
namespace {

thread_local HeldLocks* waiting_holders = nullptr;

void report(Fiber& fiber, const char* call, const void* place) noexcept {
  if (blocking_policy() == fiber::Blocking::ignore || !first_at(place)) return;
  try {
    log::write(
        log::Level::warning, "fiber",
        fmt::format("a fiber waits in {}() with a mutex held that was locked in {}: it stays "
                    "locked for the whole thread. Unlock it before waiting, or use a "
                    "clearway::Lock\n{}",
                    call, name_of_code(place), to_string(await_chain(fiber.promise()))));
  } catch (const std::bad_alloc&) {
    return;
  }
}

}  // namespace

void LockList::remove(const void* mutex) noexcept {
  std::size_t known = count_ < all_.size() ? count_ : all_.size();
  while (known > 0 && all_[known - 1].mutex != mutex) --known;
  if (known == 0) {
    if (count_ > all_.size()) --count_;  // one of those there was no room for
    return;
  }
  for (; known < count_ && known < all_.size(); ++known) all_[known - 1] = all_[known];
  --count_;
}

bool LockList::holds(const void* mutex) const noexcept {
  for (std::size_t index = 0; index < count_ && index < all_.size(); ++index) {
    if (all_[index].mutex == mutex) return true;
  }
  return false;
}

const void* LockList::place() const noexcept {
  return all_[(count_ < all_.size() ? count_ : all_.size()) - 1].place;
}

HeldLocks::HeldLocks(Fiber& fiber, const char* call) noexcept : fiber_(fiber) {
  if (fiber.locks().empty()) return;
  report(fiber, call, fiber.locks().place());
  listed_ = true;
  next_ = waiting_holders;
  if (next_ != nullptr) next_->previous_ = this;
  waiting_holders = this;
}

HeldLocks::~HeldLocks() {
  if (!listed_) return;
  if (next_ != nullptr) next_->previous_ = previous_;
  (previous_ == nullptr ? waiting_holders : previous_->next_) = next_;
}

bool HeldLocks::any_holds(const void* mutex) noexcept {
  for (const HeldLocks* holder = waiting_holders; holder != nullptr; holder = holder->next_) {
    if (holder->fiber_.locks().holds(mutex)) return true;
  }
  return false;
}

}  // namespace clearway::detail
