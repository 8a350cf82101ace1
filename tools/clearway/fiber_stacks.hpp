#pragma once

// The C++ stacks of another process's fibers that wait, from the copies of their memory that were
// taken with the tasks. Calls are found as exceptions find them, by the unwind tables of the
// program and its libraries (libdw of elfutils).

#include <memory>
#include <vector>

#include <clearway/inspect/memory.hpp>
#include <clearway/inspect/snapshot.hpp>

namespace clearway::tool {

class FiberStacks {
 public:
#if defined(CLEARWAY_HAS_LIBDW) && defined(__x86_64__)
  static constexpr bool available = true;
#else
  static constexpr bool available = false;
#endif

  explicit FiberStacks(inspect::Memory& memory);
  FiberStacks(const FiberStacks&) = delete;
  FiberStacks& operator=(const FiberStacks&) = delete;
  ~FiberStacks();

  // Every fiber in it gets its stack and loses the copy; where a stack cannot be read it stays
  // empty.
  void fill(inspect::ProcessView& view);

 private:
  class Unwinder;
  using Stack = std::shared_ptr<const std::vector<inspect::StackFrame>>;

  void fill(std::vector<inspect::TaskView>& tasks);

  inspect::Memory& memory_;
  std::unique_ptr<Unwinder> unwinder_;  // made for the first fiber
};

}  // namespace clearway::tool
