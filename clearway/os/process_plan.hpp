#pragma once

// Starting a process: everything that happens in the thread that does it.

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>
#include <clearway/base/descriptor.hpp>

namespace clearway::detail {

struct ProcessPlan {
  ProcessPlan() = default;
  std::string name;
  std::vector<std::string> line;
  std::string directory;                 // empty: this program's
  std::vector<std::string> environment;  // "NAME=value"
  bool input = false;                    // a pipe to its standard input, or this program's own
  bool output = false;                   // pipes from its two outputs, or this program's own
  bool group = true;                     // leads a group of its own
};

// A child, and this program's ends of its pipes.
struct SpawnedProcess {
  SpawnedProcess() = default;
  pid_t pid = -1;
  Descriptor input;
  Descriptor output;
  Descriptor errors;
};

// Throws ProcessError.
SpawnedProcess spawn(const ProcessPlan& plan);

// This program's environment, or none, with `variables` set.
std::vector<std::string> make_environment(bool own,
                                          const std::map<std::string, std::string>& variables);

}  // namespace clearway::detail
