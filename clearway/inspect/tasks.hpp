#pragma once

// The task tree of this process.
//
//   inspect::print_tree();        // to standard error, from wherever one is curious

#include <clearway/inspect/snapshot.hpp>

namespace clearway::inspect {

// Every loop of this process with its tasks, from any thread. The calling thread's loop is exact;
// others go on meanwhile and are read again when they have, a few times at most.
ProcessView tasks();

// Writes the tree of tasks() to standard error.
void print_tree();

}  // namespace clearway::inspect
