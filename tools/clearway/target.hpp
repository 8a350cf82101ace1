#pragma once

// A running program whose tasks are to be read: where in its memory they begin, or why that cannot
// be known.

#include <string>

#include <sys/types.h>
#include <clearway/inspect/memory.hpp>
#include <clearway/inspect/root.hpp>

namespace clearway::tool {

// The thread through which the memory of a process can be read. Throws Error when there is no such
// process.
pid_t readable_thread(pid_t process);

// As the kernel has it: that of its main thread, cut after 15 bytes.
std::string name_of(pid_t process);

// `memory` is that of readable_thread(). Throws Error, which says what to do, when the process is
// no program of Clearway or of another version, may not be read, or has ended.
inspect::Root find_root(inspect::Memory& memory, pid_t process);

// Throws Error when the process has ended: what was read of it last is no answer.
void check_alive(const inspect::Memory& memory, pid_t process);

// The number that a thread has here; in a container it knows itself by another.
int thread_here(pid_t process, int thread);

}  // namespace clearway::tool
