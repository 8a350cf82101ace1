#include <clearway/fiber/lane.hpp>

namespace clearway::detail {

void FiberLane::push(Fiber& fiber) noexcept {
  fiber.next_in_lane = nullptr;
  (first_ == nullptr ? first_ : last_->next_in_lane) = &fiber;
  last_ = &fiber;
  if (queued_) return;
  queued_ = true;
  loop_.ready(*this);
}

void FiberLane::run() {
  constexpr Duration slice = std::chrono::milliseconds(2);
  const Instant start = loop_.now();
  do {
    Fiber& fiber = *first_;
    first_ = fiber.next_in_lane;
    resume(fiber.promise());
  } while (first_ != nullptr && loop_.now() - start < slice);
  queued_ = first_ != nullptr;
  if (!queued_) return;
  loop_.ready(*this);
  loop_.end_turn();  // timers and sockets first
}

}  // namespace clearway::detail
