#include <clearway/task/background_group.hpp>

#include <clearway/base/error.hpp>
#include <clearway/task/run.hpp>

namespace clearway {
namespace {

thread_local TaskGroup* background_group = nullptr;

}  // namespace

namespace detail {

BackgroundGroup::BackgroundGroup(CancelScope& scope) noexcept {
  open_root(scope);
  background_group = this;
}

BackgroundGroup::~BackgroundGroup() { background_group = nullptr; }

}  // namespace detail

TaskGroup& background() {
  if (background_group == nullptr) {
    throw UsageError("background() belongs to a run: call it from a task");
  }
  return *background_group;
}

}  // namespace clearway
