#pragma once

// What a thread does, as /proc has it.

#include <optional>
#include <string>

#include <sys/types.h>
#include <clearway/loop/time.hpp>

namespace clearway::inspect {

// "burns CPU", or "sleeps in read() on descriptor 7 (pipe:[123])".
std::string thread_activity(pid_t process, pid_t thread);

// How long it has been on a processor, and how long it has waited for one; nullopt where the kernel
// does not say.
struct ProcessorTimes {
  Duration on{};
  Duration waiting{};
};
std::optional<ProcessorTimes> processor_times(pid_t process, pid_t thread);

// A debugger has this process in its hands.
bool traced();

}  // namespace clearway::inspect
