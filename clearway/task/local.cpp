#include <clearway/task/local.hpp>

namespace clearway {

const void* find_local(const void* key) noexcept {
  const PromiseBase* frame = running_frame();
  if (frame == nullptr) return nullptr;
  for (const CancelScope* scope = frame->scope; scope != nullptr; scope = scope->parent()) {
    if (scope->kind() != CancelScope::Kind::local) continue;
    const auto& local = static_cast<const LocalScope&>(*scope);
    if (local.key == key) return local.value;
  }
  return nullptr;
}

}  // namespace clearway
