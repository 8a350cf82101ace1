#pragma once

// What a fork of this process finds of its loops: none, and the registry's lock free.

#include <atomic>

namespace clearway {

// For who keeps records of loops himself: called with the registry locked.
struct ForkWatcher {
  void (*before)();
  void (*after)(bool in_child);
};
extern constinit std::atomic<const ForkWatcher*> fork_watcher;

}  // namespace clearway
