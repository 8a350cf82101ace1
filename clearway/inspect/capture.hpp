#pragma once

// The C++ stack of another thread of this process: that thread is interrupted, once, and writes it
// down itself.

#include <cstdint>
#include <string>
#include <vector>

#include <clearway/loop/time.hpp>

namespace clearway::inspect {

// Chooses the signal, one that nobody handles and this thread does not block if there is one, and
// installs its handler, unless that is so already. False when the program has taken every real-time
// signal.
bool prepare_capture() noexcept;
// Has this thread take the signal, although it may block others: for threads that run loops.
void admit_capture() noexcept;

struct Capture {
  std::vector<std::uintptr_t> addresses;  // the innermost call first
  std::string failure;                    // why there are none
};
// Waits for it for at most `patience`.
Capture capture_stack(int thread, Duration patience);

}  // namespace clearway::inspect
