#pragma once

// From addresses in this process to functions, files and lines.

#include <cstdint>
#include <vector>

#include <clearway/inspect/watchdog.hpp>

namespace clearway::inspect {

// The calls at these addresses, with those that were inlined there. The first use reads the
// program's debug information, which takes some tens of milliseconds; from one thread at a time.
std::vector<StackFrame> symbolize(const std::vector<std::uintptr_t>& addresses);

}  // namespace clearway::inspect
