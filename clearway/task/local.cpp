#include <clearway/task/local.hpp>

namespace clearway {

const void* find_local(const void* key) noexcept {
  const PromiseBase* frame = running_frame();
  if (frame == nullptr) return nullptr;
  for (const CancelScope* scope = frame->scope; scope != nullptr; scope = scope->parent()) {
    if (scope->binding != nullptr && scope->binding->key == key) return scope->binding->value;
  }
  return nullptr;
}

}  // namespace clearway
