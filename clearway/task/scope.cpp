#include <clearway/task/scope.hpp>

#include <clearway/loop/loop.hpp>
#include <clearway/task/waiter.hpp>

namespace clearway {

void CancelScope::enter(CancelScope* parent, bool shielded) noexcept {
  parent_ = parent;
  shielded_ = shielded;
  if (parent == nullptr) return;
  parent->children_.push_back(*this);
  if (shielded) return;
  cancelled_ = called_ || parent->cancelled_;
  limit(parent->deadline_);
}

void CancelScope::cancel() noexcept {
  called_ = true;
  spread();
}

void CancelScope::spread() noexcept {
  if (cancelled_) return;
  cancelled_ = true;
  while (!waiting_.empty()) waiting_.pop_front().interrupt();
  children_.for_each([](CancelScope& child) {
    if (!child.shielded_) child.spread();
  });
}

void DeadlineScope::start(Instant deadline) {
  limit(deadline);
  Loop& loop = Loop::current();
  if (deadline <= loop.now()) {
    cancel();
  } else if (deadline != never) {
    loop.timers().set(*this, deadline);
  }
}

void DeadlineScope::stop() noexcept {
  if (armed()) Loop::current().timers().cancel(*this);
}

}  // namespace clearway
