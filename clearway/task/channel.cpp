#include <clearway/task/channel.hpp>

namespace clearway::detail {

CrossWaiter::~CrossWaiter() {
  // Destroyed where it waits only when its loop has failed.
  const std::lock_guard lock(mutex_);
  ListNode<CrossWaiter>::unlink();
}

void CrossWaiter::wake_from_anywhere() {
  ListNode<CrossWaiter>::unlink();
  if (Loop::current_or_null() == &loop_) {
    wake();
  } else {
    // Its frame stays where it is until this has come; a loop that has ended has no frames.
    mailbox_->post([this] { wake(); });
  }
}

void CrossWaiter::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!ListNode<CrossWaiter>::linked()) return;  // it looks again, or passes the wake-up on
    ListNode<CrossWaiter>::unlink();
  }
  wake_cancelled();
}

}  // namespace clearway::detail
