#include <clearway/task/waiter.hpp>

namespace clearway {

bool Waiter::begin(PromiseBase& frame) noexcept {
  frame_ = &frame;
  Loop& loop = *Loop::current_or_null();
  if (frame.scope != nullptr) {
    if (frame.scope->cancelled()) {
      wake_cancelled();
      return false;
    }
    frame.scope->waiting_.push_back(*this);
  }
  if (auto* hook = loop.suspension_hook()) [[unlikely]]
    hook->suspended(&frame);
  return true;
}

bool Waiter::done_at_once() noexcept {
  if (Loop::current_or_null()->spend_budget()) {
    ListNode<ScopeTag>::unlink();
    return true;
  }
  wake();
  return false;
}

void Waiter::wake() noexcept {
  ListNode<ScopeTag>::unlink();
  Loop::current_or_null()->ready(*this);
}

}  // namespace clearway
