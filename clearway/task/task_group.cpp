#include <clearway/task/task_group.hpp>

#include <clearway/base/error.hpp>

namespace clearway {

namespace detail {

// A child that was cancelled before it began runs too, up to its first await, as every task does.
void ChildBase::run() { resume(promise()); }

PromiseBase* ChildBase::finish(TaskGroup& group) noexcept {
  leave();
  PromiseBase* next = group.child_finished(*this, promise());
  ended_ = 1;
  conclude();
  joiners_.reverse();
  while (!joiners_.empty()) joiners_.pop().child_ended();
  drop();
  return next;
}

void throw_child_error(const std::exception_ptr& error) {
  if (*error.__cxa_exception_type() == typeid(Cancelled)) {
    throw UsageError("the task that was awaited through its handle has been cancelled");
  }
  std::rethrow_exception(error);
}

void throw_without_result() {
  throw UsageError("the task group was cancelled before its body had given its result");
}

}  // namespace detail

TaskGroup::~TaskGroup() {
  while (!scope_.children().empty()) {
    CancelScope& scope = scope_.children().pop();
    if (scope.kind() == CancelScope::Kind::child) static_cast<detail::ChildBase&>(scope).drop();
  }
}

// A child's frame runs in the scope that is the child, and the body's in the group's; or just
// below, while an awaiter has put a scope of its own in between.
detail::ChildBase* TaskGroup::child_of(const PromiseBase& frame) const noexcept {
  for (CancelScope* scope = frame.scope; scope != nullptr && scope != &scope_;
       scope = scope->parent()) {
    if (scope->kind() == CancelScope::Kind::child) return static_cast<detail::ChildBase*>(scope);
  }
  return nullptr;
}

PromiseBase* TaskGroup::finished(PromiseBase& frame) noexcept {
  detail::ChildBase* child = child_of(frame);
  return child == nullptr ? Join::finished(frame) : child->finish(*this);
}

Site TaskGroup::spawn_site(const PromiseBase& frame) const noexcept {
  const detail::ChildBase* child = child_of(frame);
  return child == nullptr ? Site() : child->site();
}

const char* TaskGroup::task_name(const PromiseBase& frame) const noexcept {
  const detail::ChildBase* child = child_of(frame);
  return child == nullptr ? nullptr : child->name();
}

std::size_t TaskGroup::running() const noexcept {
  std::size_t count = 0;
  scope_.children().for_each([&](const CancelScope& scope) {
    if (scope.kind() == CancelScope::Kind::child) ++count;
  });
  return count;
}

void TaskGroup::open_root(CancelScope& scope) noexcept {
  scope_.enter(&scope);
  pending_ = 1;
}

void TaskGroup::require_open() const {
  if (loop_ != Loop::current_or_null()) {
    throw UsageError(
        "this task group belongs to the loop of another thread: start tasks on that loop, through "
        "Loop::post");
  }
  if (pending_ == 0) {
    throw UsageError("this task group has ended: start tasks from inside its body or its children");
  }
}

void TaskGroup::enlist(detail::ChildBase& child) noexcept {
  PromiseBase& promise = child.promise();
  child.enter(&scope_);
  promise.parent = ParentLink(*this);
  promise.scope = &child;
  ++pending_;
  Loop::current().ready(child);
}

PromiseBase* TaskGroup::child_finished(detail::ChildBase& child, PromiseBase& promise) noexcept {
  --pending_;
  if (promise.ended_cancelled()) {
    // An end that was asked for, through the handle or the group, is no error of the group.
    if (!child.cancel_called() && !scope_.cancel_called()) interrupted_ = true;
  } else if (promise.error != nullptr) {
    fail(promise.error);
  }
  if (pending_ == 1) emptied();
  return pending_ == 0 ? parent_ : nullptr;
}

void TaskGroup::collect(PromiseBase& child) noexcept { (void)child; }

}  // namespace clearway
