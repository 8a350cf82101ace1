#pragma once

// Reads the tasks of a process out of its memory.

#include <clearway/inspect/memory.hpp>
#include <clearway/inspect/root.hpp>
#include <clearway/inspect/snapshot.hpp>

namespace clearway::inspect {

// What a loop runs now.
struct RunningTask {
  std::string name;                    // that it was given, or its function; "" between tasks
  std::vector<FrameView> await_chain;  // the innermost first, through all who wait for it
};
RunningTask read_running(Memory& memory, const Root& root, Address record);

struct ReadOptions {
  int attempts = 5;     // how often a loop is read that changes under the reader
  bool stacks = false;  // copy the stacks of fibers that wait
};

// All loops. One that turns faster than it is read is marked as changed.
ProcessView read_process(Memory& memory, const Root& root, ReadOptions options = {});

}  // namespace clearway::inspect
