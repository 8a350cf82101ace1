#pragma once

// What gather, race, as_completed and task_group have in common: children that run in one scope,
// the first error cancels the others, and the parent goes on when all have ended.

#include <vector>

#include <clearway/task/promise.hpp>

namespace clearway::detail {

class Join : public Completion {
 public:
  Join() noexcept = default;
  Join(const Join&) = delete;
  Join& operator=(const Join&) = delete;

  PromiseBase* finished(PromiseBase& child) noexcept override;
  [[nodiscard]] PromiseBase* waiting_frame() const noexcept final { return parent_; }

 protected:
  ~Join() = default;

  // Enters a scope below `parent`'s and holds the join open until close().
  void open(PromiseBase& parent) noexcept;
  // Starts `child` at once; its completion is `owner`, or this join.
  void launch(PromiseBase& child, Completion& owner) noexcept;
  // True when children still run: the parent has to suspend.
  bool close() noexcept {
    opening_ = false;
    return --pending_ > 0;
  }

  // One child has ended: its error is kept, or its value collected. `child` may be gone afterwards.
  void settle(PromiseBase& child) noexcept;
  virtual void collect(PromiseBase& child) noexcept = 0;
  // Keeps an error and cancels the children that still run.
  void fail(std::exception_ptr error) noexcept;
  // Leaves the scope; throws the first error with the others attached, or Cancelled when a child
  // ended so for a reason outside this join.
  void finish();

  CancelScope scope_;
  PromiseBase* parent_ = nullptr;
  std::size_t pending_ = 0;
  bool opening_ = false;      // between open() and close(), which count as one child
  bool interrupted_ = false;  // a child was cancelled, or never started, for lack of time
  std::exception_ptr error_;
  std::vector<std::exception_ptr> other_errors_;
};

// Throws `error` with `others` attached to it, if it is a clearway::Error.
[[noreturn]] void throw_with(const std::exception_ptr& error,
                             const std::vector<std::exception_ptr>& others);

}  // namespace clearway::detail
