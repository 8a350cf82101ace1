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

// One loop; nullopt when there is none.
std::optional<LoopView> read_loop(Memory& memory, const Root& root, Address record);

// All loops. Each is read again while it changes under the reader, `attempts` times at most; who
// turns that fast is marked as changed.
ProcessView read_process(Memory& memory, const Root& root, int attempts = 5);

}  // namespace clearway::inspect
