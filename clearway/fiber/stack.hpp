#pragma once

// The stacks of one thread's fibers: 512 KiB of address space each, of which only the pages that
// were touched are memory. The lower part of it are guard pages: more than the rest, so that a
// function with large arrays does not reach past them. They are cut from slabs of 32 MiB.
//
// Where the kernel has MADV_GUARD_INSTALL (Linux 6.13) guard pages are free. Elsewhere each is a
// mapping of its own, and vm.max_map_count limits how many stacks there can be: 32,000 by default.

#include <cstddef>
#include <vector>

namespace clearway::detail {

class StackPool {
 public:
  static constexpr std::size_t size = 512 * 1024;        // of one stack, guard included
  static constexpr std::size_t guard_size = 272 * 1024;  // an overflow of less than that is caught

  StackPool() noexcept = default;
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;
  // Unmaps the stacks, unless keep() was called.
  ~StackPool();

  // The low end of a new stack. Throws SystemError that names the limit that was reached.
  char* make();
  // Somebody still stands on one of the stacks: they stay.
  void keep() noexcept { keep_ = true; }
  // How many were made.
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  // The low end of the stack that `address` is in; null when it is in none. For signal handlers.
  [[nodiscard]] char* containing(const char* address) const noexcept;
  // Gives memory below `used`, an address within the stack, back to the kernel.
  static void trim(char* bottom, char* used) noexcept;

 private:
  static constexpr std::size_t per_slab = 64;

  void add_slab();
  void guard(char* bottom) const;

  std::vector<char*> slabs_;
  std::size_t left_ = 0;  // stacks of the last slab that are not cut yet
  std::size_t count_ = 0;
  bool keep_ = false;
};

}  // namespace clearway::detail
