#include <clearway/task/scope.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <clearway/loop/loop.hpp>
#include <clearway/task/waiter.hpp>

namespace clearway {

namespace {

[[noreturn]] void report_wrong_thread() noexcept {
  std::fputs(
      "clearway: tasks were cancelled on a thread that runs no loop. Scopes, groups and handles "
      "are "
      "for the thread of their loop: use Loop::post to cancel from others.\n",
      stderr);
  std::abort();
}

}  // namespace

void CancelScope::enter(CancelScope* parent, bool shielded) noexcept {
  parent_ = parent;
  shielded_ = shielded;
  if (parent == nullptr) return;
  parent->children_.push(*this);
  if (!shielded) cancelled_ = called_ || parent->cancelled_;
}

Instant CancelScope::deadline() const noexcept {
  Instant nearest = never;
  for (const CancelScope* scope = this; scope != nullptr; scope = scope->parent_) {
    if (scope->kind_ == Kind::deadline) {
      nearest = std::min(nearest, static_cast<const DeadlineScope*>(scope)->deadline_);
    }
    if (scope->shielded_) break;
  }
  return nearest;
}

void CancelScope::cancel() noexcept {
  const bool in_use = !waiting_.empty() || !children_.empty();
  if (in_use && Loop::current_or_null() == nullptr) [[unlikely]]
    report_wrong_thread();
  called_ = true;
  spread();
}

void CancelScope::spread() noexcept {
  if (cancelled_) return;
  cancelled_ = true;
  Stack<Waiter, ScopeTag> told;  // who has waited longest is told first
  while (!waiting_.empty()) told.push(waiting_.pop());
  while (!told.empty()) {
    Waiter& waiter = told.pop();
    waiting_.push(waiter);  // inspectors find it here until what it waits for has let go of it
    waiter.interrupt();
  }
  children_.reverse();
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
