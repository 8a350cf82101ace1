#pragma once

// Reads the tasks of a process out of its memory.

#include <clearway/inspect/frame_graph.hpp>
#include <clearway/inspect/memory.hpp>
#include <clearway/inspect/root.hpp>
#include <clearway/inspect/snapshot.hpp>

namespace clearway::inspect {

// Of the loop with this record. Quick: the watchdog asks while the loop is blocked.
RunningTask read_running(Memory& memory, const Root& root, Address record);

struct ReadOptions {
  int attempts = 5;     // how often a loop is read that changes under the reader
  bool stacks = false;  // copy the stacks of fibers that wait
};

// All loops. One that turns faster than it is read is marked as changed.
ProcessView read_process(Memory& memory, const Root& root, ReadOptions options = {});

}  // namespace clearway::inspect
