#include <clearway/fiber/lane.hpp>

#include <utility>

namespace clearway::detail {

FiberLane::~FiberLane() {
  this_fiber_thread.crowded = false;
  this_fiber_thread.lane_waits = false;
}

void FiberLane::push(Fiber& fiber) noexcept {
  fiber.next_in_lane = nullptr;
  (first_ == nullptr ? first_ : last_->next_in_lane) = &fiber;
  last_ = &fiber;
  this_fiber_thread.lane_waits = true;
  if (queued_) return;
  queued_ = true;
  loop_.ready(*this);
}

void FiberLane::remove(Fiber& fiber) noexcept {
  Fiber* before = nullptr;
  for (Fiber* each = first_; each != nullptr; before = each, each = each->next_in_lane) {
    if (each != &fiber) continue;
    (before == nullptr ? first_ : before->next_in_lane) = fiber.next_in_lane;
    if (last_ == &fiber) last_ = before;
    return;
  }
}

bool FiberLane::share_is_over(Loop& loop) noexcept {
  FiberThread& thread = this_fiber_thread;
  const Instant now = loop.now();
  if (thread.turn != turn_of(loop)) {
    thread.turn = turn_of(loop);
    thread.share_began = now;
    thread.crowded = false;
  }
  thread.crowded = thread.crowded || now - thread.share_began >= share;
  return thread.crowded;
}

void FiberLane::run() {
  if (!std::exchange(let_others_pass_, true)) {
    loop_.ready(*this);
    return;
  }
  let_others_pass_ = false;
  FiberThread& thread = this_fiber_thread;
  while (first_ != nullptr && !share_is_over(loop_)) {
    Fiber& fiber = *first_;
    first_ = fiber.next_in_lane;
    thread.lane_waits = first_ != nullptr;
    resume(fiber.promise());
  }
  queued_ = first_ != nullptr;
  if (!queued_) return;
  loop_.ready(*this);
  loop_.end_turn();  // timers and sockets first
}

}  // namespace clearway::detail
