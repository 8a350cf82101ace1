#pragma once

// The group behind background(), for those who run a loop.

#include <clearway/task/task_group.hpp>

namespace clearway::detail {

class BackgroundGroup final : public TaskGroup {
 public:
  // Is what background() gives on this thread, below `scope`, while it lives.
  explicit BackgroundGroup(CancelScope& scope) noexcept;
  BackgroundGroup(const BackgroundGroup&) = delete;
  BackgroundGroup& operator=(const BackgroundGroup&) = delete;
  ~BackgroundGroup();

  // Cancels the children; the loop is stopped when the last has ended.
  void begin_draining() noexcept {
    cancel();
    draining_ = true;
  }

 private:
  void emptied() noexcept override {
    if (draining_) Loop::current().stop();
  }
  bool draining_ = false;
};

}  // namespace clearway::detail
