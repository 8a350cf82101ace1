#include <clearway/inspect/root.hpp>

#include <cstddef>

#include <clearway/inspect/watchdog.hpp>
#include <clearway/task/fiber_record.hpp>
#include <clearway/task/task_group.hpp>
#include <clearway/task/waiter.hpp>

// Everything below is laid out by the Itanium C++ ABI, which says where the members of such classes
// are as well as it does for plain structs.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace clearway::inspect {
namespace {

constexpr std::array<char, 16> make_magic() noexcept {
  std::array<char, 16> magic{};
  for (std::size_t index = 0; index < magic.size(); ++index) {
    magic[index] = static_cast<char>(turned_magic[index] ^ 0xff);
  }
  return magic;
}

class ProbeWaiter final : public Waiter {
  void stop() noexcept override {}
};

class ProbeChild final : public detail::ChildBase {
 public:
  ProbeChild() noexcept : ChildBase(Site()) {}

 private:
  PromiseBase& promise() noexcept override { std::terminate(); }
  void conclude() noexcept override {}
};

template <class Base, class T>
std::uint32_t base_offset(const T& object) noexcept {
  const Base& base = object;
  return static_cast<std::uint32_t>(reinterpret_cast<const char*>(&base) -
                                    reinterpret_cast<const char*>(&object));
}

const void* first_virtual(const Ready& node) noexcept {
  return **reinterpret_cast<const void* const* const*>(&node);
}

}  // namespace

// The friend of all that is read.
struct Layout {
  static Offsets offsets(const Waiter& waiter, const detail::ChildBase& child) noexcept {
    using Node = StackNode<ScopeTag>;
    using ScopeNode = StackNode<CancelScope>;
    Offsets at{};
    at.record_sequence = offsetof(LoopRecord, sequence);
    at.record_turn_began = offsetof(LoopRecord, turn_began);
    at.record_callbacks = offsetof(LoopRecord, callbacks);
    at.record_simulated = offsetof(LoopRecord, simulated);
    at.record_thread = offsetof(LoopRecord, thread);
    at.record_loop = offsetof(LoopRecord, loop);
    at.record_next = offsetof(LoopRecord, next);
    at.loop_driver = offsetof(Loop, driver_);
    at.loop_running = offsetof(Loop, running);
    at.loop_main_frame = offsetof(Loop, main_frame);
    at.loop_root_scope = offsetof(Loop, root_scope);
    at.loop_ready = offsetof(Loop, queue_) + offsetof(ReadyQueue, first_);
    at.ready_next = offsetof(Ready, next_);
    at.scope_next = offsetof(ScopeNode, next_);
    at.scope_parent = offsetof(CancelScope, parent_);
    at.scope_children = offsetof(CancelScope, children_) + children_first();
    at.scope_waiting = offsetof(CancelScope, waiting_) + waiting_first();
    at.scope_flags = offsetof(CancelScope, refused_frame_) + 1;
    at.waiter_node = base_offset<Node>(waiter);
    at.waiter_node_next = offsetof(Node, next_);
    at.waiter_frame = offsetof(Waiter, frame_);
    at.child_scope = base_offset<CancelScope>(child);
    at.child_site = offsetof(detail::ChildBase, site_);
    at.child_name = offsetof(detail::ChildBase, name_);
    at.child_frame = offsetof(detail::ChildResult<int>, frame_);
    at.promise_parent = offsetof(PromiseBase, parent);
    at.promise_scope = offsetof(PromiseBase, scope);
    at.promise_origin = offsetof(PromiseBase, origin);
    at.promise_awaiting = offsetof(PromiseBase, awaiting);
    at.promise_in_frame = 2 * sizeof(void*);
    at.completion_outer = offsetof(Completion, outer);
    at.fiber_context = offsetof(FiberRecord, context);
    at.fiber_call = offsetof(FiberRecord, call);
    at.fiber_descriptors = offsetof(FiberRecord, descriptors);
    at.fiber_descriptor_count = offsetof(FiberRecord, descriptor_count);
    return at;
  }

 private:
  using Scopes = Stack<CancelScope>;
  using Waiters = Stack<Waiter, ScopeTag>;
  static std::uint32_t children_first() noexcept { return offsetof(Scopes, first_); }
  static std::uint32_t waiting_first() noexcept { return offsetof(Waiters, first_); }
};

namespace {

bool fill() noexcept {
  const ProbeWaiter waiter{};
  const ProbeChild child{};
  Root& root = clearway_debug_root;
  root.size = sizeof(Root);
  root.self = &root;
  root.loops = &loop_registry.first;
  root.waiter_run = first_virtual(waiter);
  root.child_run = first_virtual(child);
  root.offsets = Layout::offsets(waiter, child);
  root.version = Root::current_version;
  install_watchdog();
  return true;
}

[[maybe_unused]] const bool filled = fill();

}  // namespace
}  // namespace clearway::inspect

constinit clearway::inspect::Root clearway_debug_root = {
    clearway::inspect::make_magic(), 0, 0, nullptr, nullptr, nullptr, nullptr, {}};
