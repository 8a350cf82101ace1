#include <clearway/task/waiter.hpp>

#include <new>

#include <fmt/format.h>
#include <clearway/base/log.hpp>
#include <clearway/task/trace.hpp>

namespace clearway {

bool Waiter::begin(PromiseBase& frame) noexcept {
  frame_ = reinterpret_cast<std::uintptr_t>(&frame);
  Loop& loop = *Loop::current_or_null();
  waits_since(loop.record().turn_began.load(std::memory_order_relaxed));
  if (frame.scope != nullptr) {
    if (frame.scope->cancelled()) {
      note_refusal(frame);
      wake_cancelled();
      return false;
    }
    frame.scope->waiting_.push(*this);
  }
  if (auto* hook = loop.suspension_hook()) [[unlikely]]
    hook->suspended(&frame);
  return true;
}

// A frame that awaits in a cancelled scope for the thousandth time does not let Cancelled pass.
// What is counted are the refusals of the outermost frame that is cancelled: frames below it, and
// scopes in it, may be new each time. Other frames of the scope that are refused once or twice, as
// the children of a large gather() are, weigh against it, so that only a majority is reported.
void Waiter::note_refusal(const PromiseBase& frame) noexcept {
  constexpr std::uint16_t limit = 1000;
  const PromiseBase* outermost = &frame;
  for (const PromiseBase* next = frame.parent.frame();
       next != nullptr && next->scope != nullptr && next->scope->cancelled();
       next = next->parent.frame()) {
    outermost = next;
  }
  CancelScope& scope = *outermost->scope;
  if (scope.refusals_ >= limit) return;  // it has been reported
  const auto tag = static_cast<std::uint8_t>(
      (reinterpret_cast<std::uintptr_t>(outermost) * 0x9E37'79B9'7F4A'7C15) >> 56);
  if (scope.refusals_ == 0) scope.refused_frame_ = tag;
  if (scope.refused_frame_ != tag) {
    --scope.refusals_;
  } else if (++scope.refusals_ == limit) {
    try {
      log::write(log::Level::warning, "task",
                 fmt::format("a task has swallowed Cancelled {} times and goes on: it must let it "
                             "pass. Catch std::exception, which Cancelled is not, or use "
                             "finally()\n{}",
                             limit, to_string(await_chain(frame))));
    } catch (const std::bad_alloc&) {
      scope.refusals_ = 0;  // reported the next time
    }
  }
}

bool Waiter::done_at_once() noexcept {
  if (Loop::current_or_null()->spend_budget()) {
    StackNode<ScopeTag>::unlink();
    return true;
  }
  wake();
  return false;
}

void Waiter::wake() noexcept {
  StackNode<ScopeTag>::unlink();
  Loop::current_or_null()->ready(*this);
}

}  // namespace clearway
