#pragma once

// A running program whose tasks are to be read: where in its memory they begin, or why that cannot
// be known.

#include <clearway/inspect/memory.hpp>
#include <clearway/inspect/root.hpp>

namespace clearway::tool {

// Throws Error, which says what to do, when there is no such process, it is no program of Clearway
// or of another version, or may not be read.
inspect::Root find_root(inspect::Memory& memory);

// The number that a thread has here; in a container it knows itself by another.
int thread_here(pid_t process, int thread);

}  // namespace clearway::tool
