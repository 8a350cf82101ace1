#include <clearway/inspect/frame_graph.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <poll.h>
#include <clearway/inspect/names.hpp>

namespace clearway::inspect {
namespace {

// The word of task/promise.hpp's ParentLink.
constexpr Address kind_bits = 3;
constexpr Address kind_frame = 0;
constexpr Address kind_completion = 1;

// "poll() on descriptor 7".
std::string call_text(const FiberView& fiber) {
  std::string text = fiber.call + "()";
  const std::vector<int>& all = fiber.descriptors;
  constexpr std::size_t few = 4;
  if (all.size() == 1) return fmt::format("{} on descriptor {}", text, all.front());
  if (all.size() > few) return fmt::format("{} on {} descriptors", text, all.size());
  if (!all.empty()) text += fmt::format(" on descriptors {}", fmt::join(all, ", "));
  return text;
}

}  // namespace

// A std::source_location: where the compiler keeps the file, the function, line and column.
const FrameGraph::SiteText* FrameGraph::site(Address address) {
  const auto known = sites_.find(address);
  if (known != sites_.end()) return &known->second;
  constexpr std::size_t words = 2 * sizeof(Address);
  const std::string file = memory_.text(memory_.pointer(address));
  const auto line = memory_.get<std::uint32_t>(address + words);
  constexpr std::uint32_t longest_file = 10'000'000;
  if (!line || *line > longest_file || file.empty()) return nullptr;
  SiteText text{memory_.text(memory_.pointer(address + sizeof(Address))), {file, *line}};
  return &sites_.emplace(address, std::move(text)).first->second;
}

bool FrameGraph::read_node(Address promise, Node& node) {
  if (promise == 0 || promise % sizeof(Address) != 0) return false;
  const SiteText* const origin = site(memory_.pointer(promise + at_.promise_origin));
  if (origin == nullptr) return false;
  const SiteText* const awaiting = site(memory_.pointer(promise + at_.promise_awaiting));
  node.view.address = promise;
  node.view.function = origin->function;
  node.view.at = awaiting != nullptr ? awaiting->place : origin->place;
  read_parent(promise, node);
  if (node.begins_task) read_start(promise, node);
  return true;
}

void FrameGraph::read_parent(Address promise, Node& node) {
  Address link = memory_.pointer(promise + at_.promise_parent);
  if (link != 0 && (link & kind_bits) == kind_frame) {
    node.parent = link;
    node.begins_task = false;
    return;
  }
  constexpr int most_parts = 16;
  for (int part = 0; part < most_parts && (link & kind_bits) == kind_completion; ++part) {
    const Address completion = link & ~kind_bits;
    if (part == 0 && type_name(memory_, completion) == "clearway::detail::Fiber") {
      // Its parent awaits it as it would a coroutine.
      node.view.fiber = read_fiber(completion);
      node.view.function = "fiber";
      node.begins_task = false;
    }
    link = memory_.pointer(completion + at_.completion_outer);
  }
  node.parent = (link & kind_bits) == kind_frame ? link : 0;
  if (node.parent == 0) node.begins_task = true;
}

FiberView FrameGraph::read_fiber(Address record) {
  FiberView view;
  if (const Address call = memory_.pointer(record + at_.fiber_call)) {
    view.call = memory_.text(call);
    constexpr std::uint64_t most = 64;
    const Address first = memory_.pointer(record + at_.fiber_descriptors);
    const std::uint64_t count = memory_.pointer(record + at_.fiber_descriptor_count);
    for (std::uint64_t index = 0; index < std::min(count, most); ++index) {
      const auto descriptor = memory_.get<pollfd>(first + index * sizeof(pollfd));
      if (descriptor && descriptor->fd >= 0) view.descriptors.push_back(descriptor->fd);
    }
  }
  constexpr Address longest = 1024 * 1024;
  const Address context = memory_.pointer(record + at_.fiber_context);
  if (context >= record || record - context > longest) return view;  // it runs
  view.context = context;
  constexpr std::size_t enough = 64 * 1024;  // of one stack
  constexpr std::size_t most_bytes = std::size_t{256} << 20;
  if (!stacks_ || stack_bytes_ > most_bytes) return view;
  view.stack_memory.resize(std::min<std::size_t>(record - context, enough));
  stack_bytes_ += view.stack_memory.size();
  if (!memory_.read(context, view.stack_memory.data(), view.stack_memory.size())) {
    view.stack_memory.clear();
  }
  return view;
}

// A child of a group runs in the scope that is the child, or just below.
void FrameGraph::read_start(Address promise, Node& node) {
  constexpr std::uint8_t kind_child = 3;
  constexpr int most_scopes = 64;
  Address scope = memory_.pointer(promise + at_.promise_scope);
  for (int count = 0; scope != 0 && count < most_scopes; ++count) {
    const auto flags = memory_.get<std::uint8_t>(scope + at_.scope_flags).value_or(0);
    if ((flags & kind_child) == kind_child) {
      const Address child = scope - at_.child_scope;
      const Address frame = memory_.pointer(child + at_.child_frame);
      if (frame + at_.promise_in_frame != promise) return;
      if (const SiteText* at = site(memory_.pointer(child + at_.child_site))) {
        node.started = at->place;
      }
      const Address name = memory_.pointer(child + at_.child_name);
      if (name != 0) node.name = memory_.string(name);
      return;
    }
    scope = memory_.pointer(scope + at_.scope_parent);
  }
}

void FrameGraph::add(Address promise) {
  for (Address below = 0; promise != 0;) {
    const auto known = nodes_.find(promise);
    if (known != nodes_.end()) {
      if (below != 0) known->second.children.push_back(below);
      return;
    }
    Node node;
    if (!read_node(promise, node)) return;
    if (below != 0) node.children.push_back(below);
    below = promise;
    const Address parent = node.parent;
    order_.push_back(promise);
    nodes_.emplace(promise, std::move(node));
    promise = parent;
  }
}

void FrameGraph::mark(Address promise, TaskState state, std::optional<Duration> since,
                      std::string awaits) {
  const auto found = nodes_.find(promise);
  if (found == nodes_.end()) return;
  found->second.state = state;
  found->second.since = since;
  found->second.awaits = std::move(awaits);
  const std::optional<FiberView>& fiber = found->second.view.fiber;
  if (fiber && !fiber->call.empty()) found->second.awaits = call_text(*fiber);
}

std::size_t FrameGraph::tasks_below(Address promise) const {
  std::size_t count = 0;
  std::vector<Address> open{promise};
  while (!open.empty()) {
    const Node& node = nodes_.at(open.back());
    open.pop_back();
    for (const Address child : node.children) {
      if (nodes_.at(child).begins_task) ++count;
      open.push_back(child);
    }
  }
  return count;
}

TaskView FrameGraph::task(Address promise, int level) {
  TaskView view;
  view.name = nodes_[promise].name;
  view.started = nodes_[promise].started;
  for (Address next = promise; next != 0;) {
    Node& node = nodes_[next];
    view.frames.push_back(std::move(node.view));
    const auto inner = std::find_if(node.children.begin(), node.children.end(),
                                    [&](Address child) { return !nodes_[child].begins_task; });
    next = inner == node.children.end() ? 0 : *inner;
    for (auto child = node.children.rbegin(); child != node.children.rend(); ++child) {
      if (*child == next) continue;
      if (level < most_levels) {
        view.children.push_back(task(*child, level + 1));
      } else {
        view.left_out += 1 + tasks_below(*child);
      }
    }
    if (next != 0) continue;
    view.state = node.state.value_or(TaskState::children);
    view.since = node.since;
    view.awaits = node.awaits;
  }
  return view;
}

RunningTask FrameGraph::running(Address promise) {
  RunningTask running;
  constexpr std::size_t most_frames = 100;
  bool named = false;
  while (promise != 0) {
    Node node;
    if (!read_node(promise, node)) break;
    if (running.await_chain.size() == most_frames) {
      FrameView more;
      more.function = "(more, outside of these)";
      running.await_chain.push_back(std::move(more));
      break;
    }
    if (!named) {
      running.name = short_name(node.view.function);
      if (!node.name.empty()) running.name = fmt::format("\"{}\"", node.name);
    }
    named = named || node.begins_task;
    running.await_chain.push_back(std::move(node.view));
    promise = node.parent;
  }
  return running;
}

// Frames were found the latest first.
std::vector<TaskView> FrameGraph::tasks() {
  std::vector<TaskView> roots;
  for (auto promise = order_.rbegin(); promise != order_.rend(); ++promise) {
    const Address parent = nodes_[*promise].parent;
    if (parent == 0 || nodes_.find(parent) == nodes_.end()) roots.push_back(task(*promise, 1));
  }
  return roots;
}

}  // namespace clearway::inspect
