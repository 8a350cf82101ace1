#pragma once

// The await chain: which coroutine waits for which, with the line where it does.

#include <string>
#include <vector>

#include <clearway/task/promise.hpp>

namespace clearway {

struct TraceEntry {
  Site function;     // the coroutine; its line is where it is defined
  Site at;           // where it awaits (the innermost: where it awaited last before it failed)
  std::string name;  // of the task that begins here, "" for a frame that is simply awaited
};

// From `frame` outwards to the root of its task tree.
std::vector<TraceEntry> await_chain(const PromiseBase& frame);

// Where the exception that is being handled, or was last caught, came from: the chain of the
// coroutine that threw it. Empty when no coroutine of this thread did.
const std::vector<TraceEntry>& last_error_trace() noexcept;

// One line per entry: "  in Task<> amain() at race.cpp:14\n".
std::string to_string(const std::vector<TraceEntry>& trace);

}  // namespace clearway
