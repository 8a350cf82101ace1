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
  std::vector<UniqueFunction<void()>> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(functions_);
    full_.store(false, std::memory_order_relaxed);
  }
  for (auto& function : batch) function();
}

void Mailbox::close() noexcept {
  std::vector<UniqueFunction<void()>> dropped;
  const std::lock_guard lock(mutex_);
  driver_ = nullptr;
  dropped.swap(functions_);
}

}  // namespace clearway
