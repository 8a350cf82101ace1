#include <clearway/inspect/reader.hpp>

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>
#include <time.h>
#include <clearway/inspect/frame_graph.hpp>
#include <clearway/inspect/names.hpp>

namespace clearway::inspect {
namespace {

constexpr std::size_t most_scopes = 10'000'000;

std::int64_t monotonic_now() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// One reading of one loop.
class LoopReader {
 public:
  LoopReader(Memory& memory, const Root& root, Address record, bool stacks)
      : memory_(memory),
        root_(root),
        at_(root.offsets),
        record_(record),
        graph_(memory, root, stacks) {}

  std::optional<LoopView> read() {
    const Address loop = memory_.pointer(record_ + at_.record_loop);
    const auto sequence = memory_.get<std::uint64_t>(record_ + at_.record_sequence);
    if (loop == 0 || !sequence) return std::nullopt;
    LoopView view;
    view.busy = (*sequence & 1) != 0;
    view.thread = memory_.get<std::int32_t>(record_ + at_.record_thread).value_or(0);
    view.callbacks = memory_.get<std::int32_t>(record_ + at_.record_callbacks).value_or(0);
    simulated_ = memory_.get<bool>(record_ + at_.record_simulated).value_or(false);
    const auto began = memory_.get<std::int64_t>(record_ + at_.record_turn_began).value_or(0);
    now_ = simulated_ ? began : monotonic_now();  // virtual time stands still meanwhile
    view.turn_for = Duration(std::max<std::int64_t>(0, now_ - began));
    view.driver = driver_name(loop);
    read_running(loop, view);
    read_ready(loop);
    read_scopes(memory_.pointer(loop + at_.loop_root_scope));
    for (const Address frame : children_) graph_.add(frame);
    graph_.add(memory_.pointer(loop + at_.loop_main_frame));
    view.tasks = graph_.tasks();
    return view;
  }

 private:
  // Visits a list, which may be torn: it ends where it bites its tail (Brent's algorithm).
  template <class Visit>
  void each(Address first, std::uint32_t next, Visit visit) {
    Address mark = 0;
    std::size_t steps = 0;
    std::size_t until = 16;
    for (Address node = first; node != 0 && node != mark; node = memory_.pointer(node + next)) {
      if (++steps == until) {
        mark = node;
        steps = 0;
        until *= 2;
      }
      visit(node);
    }
  }

  std::string driver_name(Address loop) {
    const std::string name = type_name(memory_, memory_.pointer(loop + at_.loop_driver));
    return short_driver_name(name);
  }

  // The time on a waiter; nullopt when it is none of the last years.
  std::optional<Duration> since(Address ready) {
    const auto began = memory_.get<std::int64_t>(ready + at_.ready_next).value_or(0);
    if (began < 0 || began > now_) return std::nullopt;
    if (began == 0 && !simulated_) return std::nullopt;
    return Duration(now_ - began);
  }

  void read_running(Address loop, const LoopView& view) {
    const Address frame = memory_.pointer(loop + at_.loop_running);
    if (!view.busy || frame == 0) return;
    graph_.add(frame);
    graph_.mark(frame, TaskState::running, view.turn_for, "");
  }

  void read_ready(Address loop) {
    each(memory_.pointer(loop + at_.loop_ready), at_.ready_next, [&](Address node) {
      const Address run = memory_.pointer(memory_.pointer(node));
      if (run == reinterpret_cast<Address>(root_.waiter_run)) {
        const Address frame = memory_.pointer(node + at_.waiter_frame) & ~Address{1};
        graph_.add(frame);
        graph_.mark(frame, TaskState::ready, std::nullopt, "");
      } else if (run == reinterpret_cast<Address>(root_.child_run)) {
        const Address frame = frame_of_child(node);
        graph_.add(frame);
        graph_.mark(frame, TaskState::ready, std::nullopt, "");
      }
    });
  }

  Address frame_of_child(Address child) {
    const Address handle = memory_.pointer(child + at_.child_frame);
    return handle == 0 ? 0 : handle + at_.promise_in_frame;
  }

  // The tree of scopes has what waits: the waiters of each, and the scopes in it.
  void read_scopes(Address outermost) {
    std::vector<Address> open{outermost};
    std::unordered_set<Address> seen;
    while (!open.empty()) {
      const Address scope = open.back();
      open.pop_back();
      if (scope == 0 || seen.size() > most_scopes || !seen.insert(scope).second) continue;
      const auto flags = memory_.get<std::uint8_t>(scope + at_.scope_flags).value_or(0);
      constexpr std::uint8_t kind_bits = 3;
      constexpr std::uint8_t kind_child = 3;
      constexpr std::uint8_t cancelled = 8;
      if ((flags & kind_bits) == kind_child) {
        children_.push_back(frame_of_child(scope - at_.child_scope));
      }
      read_waiting(scope, (flags & cancelled) != 0);
      each(memory_.pointer(scope + at_.scope_children), at_.scope_next,
           [&](Address inner) { open.push_back(inner); });
    }
  }

  void read_waiting(Address scope, bool cancelled) {
    each(memory_.pointer(scope + at_.scope_waiting), at_.waiter_node_next, [&](Address node) {
      const Address waiter = node - at_.waiter_node;
      const Address frame = memory_.pointer(waiter + at_.waiter_frame) & ~Address{1};
      graph_.add(frame);
      graph_.mark(frame, cancelled ? TaskState::cancelled : TaskState::waiting, since(waiter),
                  short_awaiter_name(type_name(memory_, waiter)));
    });
  }

  Memory& memory_;
  const Root& root_;
  const Offsets& at_;
  Address record_;
  FrameGraph graph_;
  std::int64_t now_ = 0;
  bool simulated_ = false;
  std::vector<Address> children_;
};

std::string process_name(pid_t process) {
  std::string name;
  if (std::FILE* file = std::fopen(fmt::format("/proc/{}/comm", process).c_str(), "re")) {
    char line[64] = {};
    if (std::fgets(line, sizeof(line), file) != nullptr) name = line;
    std::fclose(file);
  }
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

}  // namespace

RunningTask read_running(Memory& memory, const Root& root, Address record) {
  const Address loop = memory.pointer(record + root.offsets.record_loop);
  return FrameGraph(memory, root, false).running(memory.pointer(loop + root.offsets.loop_running));
}

ProcessView read_process(Memory& memory, const Root& root, ReadOptions options) {
  ProcessView view;
  view.process = memory.process();
  view.name = process_name(memory.process());
  std::vector<Address> records;
  Address record = memory.pointer(reinterpret_cast<Address>(root.loops));
  while (record != 0 && records.size() < 10'000) {
    records.push_back(record);
    record = memory.pointer(record + root.offsets.record_next);
  }
  std::reverse(records.begin(), records.end());  // the oldest loop first
  for (const Address each : records) {
    std::optional<LoopView> loop;
    for (int attempt = 0; attempt < std::max(1, options.attempts); ++attempt) {
      memory.forget();
      const Address sequence = each + root.offsets.record_sequence;
      const std::uint64_t before = memory.pointer(sequence);
      memory.forget();
      loop = LoopReader(memory, root, each, options.stacks).read();
      memory.forget();
      const bool changed = memory.pointer(sequence) != before;
      if (loop) loop->changed = changed;
      if (!changed) break;
    }
    if (loop) view.loops.push_back(std::move(*loop));
  }
  return view;
}

}  // namespace clearway::inspect
