#include <clearway/loop/mailbox.hpp>

#include <utility>

namespace clearway {

bool Mailbox::post(UniqueFunction<void()> function) {
  const std::lock_guard lock(mutex_);
  if (driver_ == nullptr) return false;
  functions_.push_back(std::move(function));
  full_.store(true, std::memory_order_release);
  driver_->wake();  // under the lock: the driver goes only after close()
  return true;
}

void Mailbox::run_all() {
  if (next_ == batch_.size()) {
    batch_.clear();
    next_ = 0;
    const std::lock_guard lock(mutex_);
    batch_.swap(functions_);
    full_.store(false, std::memory_order_relaxed);
  }
  while (next_ < batch_.size()) {
    // Taken out first: the function may throw, or turn the loop, which goes on with the next one.
    UniqueFunction<void()> function = std::move(batch_[next_++]);
    function();
  }
}

void Mailbox::close() noexcept {
  std::vector<UniqueFunction<void()>> dropped;
  std::vector<UniqueFunction<void()>> unfinished;
  unfinished.swap(batch_);
  next_ = 0;
  const std::lock_guard lock(mutex_);
  driver_ = nullptr;
  dropped.swap(functions_);
}

}  // namespace clearway
