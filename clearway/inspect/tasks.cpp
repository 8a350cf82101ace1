#include <clearway/inspect/tasks.hpp>

#include <cstdio>

#include <unistd.h>
#include <clearway/inspect/reader.hpp>

namespace clearway::inspect {

// This thread's own loop is in a turn, which does not end while it is read.
ProcessView tasks() {
  Memory memory(::getpid());
  return read_process(memory, clearway_debug_root);
}

void print_tree() { std::fputs(to_tree(tasks()).c_str(), stderr); }

}  // namespace clearway::inspect
