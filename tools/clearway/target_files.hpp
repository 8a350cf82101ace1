#pragma once

// The program and the libraries of another process, which may be in another container, or have been
// deleted or replaced since they were started.

#include <string>

#include <sys/types.h>

namespace clearway::tool {

// Opens the file that is mapped at `begin` in the process under this name of /proc/PID/maps. The
// descriptor, which is the caller's, or -1; `path` becomes what it was opened as.
int open_mapped_file(pid_t process, unsigned long begin, const std::string& name,
                     std::string& path);

}  // namespace clearway::tool
