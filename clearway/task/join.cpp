#include <clearway/task/join.hpp>

#include <clearway/base/error.hpp>

namespace clearway::detail {

void Join::open(PromiseBase& parent) noexcept {
  parent_ = &parent;
  outer = ParentLink(parent);
  pending_ = 1;
  opening_ = true;
  scope_.enter(parent.scope);
}

void Join::launch(PromiseBase& child, Completion& owner) noexcept {
  child.parent = ParentLink(owner);
  child.scope = &scope_;
  ++pending_;
  if (start_inline(child)) settle(child);
}

void Join::settle(PromiseBase& child) noexcept {
  --pending_;
  if (child.error == nullptr) {
    collect(child);
  } else if (child.ended_cancelled()) {
    interrupted_ = true;
  } else {
    fail(child.error);
  }
}

void Join::fail(std::exception_ptr error) noexcept {
  if (error_ == nullptr) {
    error_ = std::move(error);
  } else {
    other_errors_.push_back(std::move(error));
  }
  scope_.cancel();
}

PromiseBase* Join::finished(PromiseBase& child) noexcept {
  settle(child);
  return pending_ == 0 ? parent_ : nullptr;
}

void Join::finish() {
  scope_.leave();
  if (error_ != nullptr) throw_with(error_, other_errors_);
  const bool from_outside = scope_.parent() != nullptr && scope_.parent()->cancelled();
  if (interrupted_ && (from_outside || !scope_.cancel_called())) throw Cancelled();
}

void throw_with(const std::exception_ptr& error, const std::vector<std::exception_ptr>& others) {
  if (others.empty()) std::rethrow_exception(error);
  try {
    std::rethrow_exception(error);
  } catch (Error& first) {
    for (const std::exception_ptr& other : others) {
      if (other != error) first.attach(other);  // an error that holds itself is never freed
    }
    throw;
  }
}

}  // namespace clearway::detail
