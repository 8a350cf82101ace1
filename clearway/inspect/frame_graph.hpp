#pragma once

// Which frame waits for which, from the frames that wait outwards: every frame knows its parent,
// and none its children.

#include <unordered_map>
#include <vector>

#include <clearway/inspect/memory.hpp>
#include <clearway/inspect/root.hpp>
#include <clearway/inspect/snapshot.hpp>

namespace clearway::inspect {

// What a loop runs now.
struct RunningTask {
  std::string name;                    // that it was given, or its function; "" between tasks
  std::vector<FrameView> await_chain;  // the innermost first, through all who wait for it
};

class FrameGraph {
 public:
  // `stacks`: copies those of fibers that wait.
  FrameGraph(Memory& memory, const Root& root, bool stacks)
      : memory_(memory), at_(root.offsets), stacks_(stacks) {}

  // Takes in the frame whose promise is there and all that wait for it. What is no frame, as one
  // that has ended meanwhile, is left out.
  void add(Address promise);
  // What is known of a frame at which a task waits.
  void mark(Address promise, TaskState state, std::optional<Duration> since, std::string awaits);

  // The trees, in the order in which tasks were started as far as that is known; no deeper than
  // most_levels.
  std::vector<TaskView> tasks();
  // The frame whose promise is there and those outside of it, of which only these are read: 100 at
  // most, and a last one that says so when there are more.
  RunningTask running(Address promise);

 private:
  struct Node {
    Address parent = 0;
    bool begins_task = true;  // otherwise its parent simply awaits it
    FrameView view;
    std::string name;
    Place started;
    std::optional<TaskState> state;
    std::optional<Duration> since;
    std::string awaits;
    std::vector<Address> children;
  };
  struct SiteText {
    std::string function;
    Place place;
  };

  bool read_node(Address promise, Node& node);
  void read_parent(Address promise, Node& node);
  void read_start(Address promise, Node& node);
  FiberView read_fiber(Address record);
  const SiteText* site(Address address);
  TaskView task(Address promise, int level);
  std::size_t tasks_below(Address promise) const;

  Memory& memory_;
  const Offsets& at_;
  bool stacks_;
  std::size_t stack_bytes_ = 0;
  std::unordered_map<Address, Node> nodes_;
  std::unordered_map<Address, SiteText> sites_;
  std::vector<Address> order_;
};

}  // namespace clearway::inspect
