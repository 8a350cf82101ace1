#pragma once

// Reads the tasks of a process out of its memory.

#include <clearway/inspect/memory.hpp>
#include <clearway/inspect/root.hpp>
#include <clearway/inspect/snapshot.hpp>

namespace clearway::inspect {

// What a frame's task is and where it is in it, outwards: for the report of a stall.
std::optional<LoopView> read_loop(Memory& memory, const Root& root, Address record);

// All loops. Each is read again while it changes under the reader, `attempts` times at most; who
// turns that fast is marked as changed.
ProcessView read_process(Memory& memory, const Root& root, int attempts = 5);

}  // namespace clearway::inspect
