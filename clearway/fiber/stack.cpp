#include <clearway/fiber/stack.hpp>

#include <cerrno>
#include <functional>

#include <fmt/format.h>
#include <sys/mman.h>
#include <clearway/base/error.hpp>
#include <clearway/base/frame_memory.hpp>
#include <clearway/fiber/sanitizer.hpp>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // Linux 6.13; newer than Debian 12's headers
#endif

namespace clearway::detail {

StackPool::~StackPool() {
  if (keep_) return;
  for (std::size_t number = 0; number < count_; ++number) {
    char* const bottom = slabs_[number / per_slab] + number % per_slab * size;
    sanitizer::forget_stack(bottom + guard_size, size - guard_size);
  }
  for (char* slab : slabs_) ::munmap(slab, per_slab * size);
}

char* StackPool::make() {
  // Tests of exhaustion count this like every other allocation.
  frame_memory::release(frame_memory::allocate(64), 64);
  if (left_ == 0) add_slab();
  char* const bottom = slabs_.back() + (per_slab - left_) * size;
  guard(bottom);
  sanitizer::know_stack(bottom + guard_size, size - guard_size);
  --left_;
  ++count_;
  return bottom;
}

void StackPool::add_slab() {
  slabs_.reserve(slabs_.size() + 1);
  void* const slab = ::mmap(nullptr, per_slab * size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (slab == MAP_FAILED) {
    throw SystemError(
        fmt::format("cannot reserve {} MiB of address space for the stacks of more fibers (this "
                    "thread has {}): look at `ulimit -v`, at the container's memory limit, and at "
                    "the sysctls vm.overcommit_memory and vm.max_map_count",
                    per_slab * size >> 20, count_),
        errno);
  }
  ::madvise(slab, per_slab * size, MADV_NOHUGEPAGE);
  slabs_.push_back(static_cast<char*>(slab));
  left_ = per_slab;
}

void StackPool::guard(char* bottom) const {
  if (::madvise(bottom, guard_size, MADV_GUARD_INSTALL) == 0) return;
  if (::mprotect(bottom, guard_size, PROT_NONE) == 0) return;
  throw SystemError(
      fmt::format("cannot guard the stack of another fiber: this thread has {}, and on this kernel "
                  "each takes two of the mappings that vm.max_map_count allows. Raise it (sysctl "
                  "-w vm.max_map_count=1000000), or use Linux 6.13 or newer, where guards are free",
                  count_),
      errno);
}

char* StackPool::containing(const char* address) const noexcept {
  for (std::size_t index = 0; index < slabs_.size(); ++index) {
    char* const slab = slabs_[index];
    if (std::less<>()(address, slab)) continue;
    const auto number = static_cast<std::size_t>(address - slab) / size;
    if (number < per_slab && index * per_slab + number < count_) return slab + number * size;
  }
  return nullptr;
}

void StackPool::trim(char* bottom, char* used) noexcept {
  constexpr std::size_t page = 4096;
  char* const from = bottom + guard_size;
  char* const to = used - reinterpret_cast<std::uintptr_t>(used) % page;
  if (to > from) ::madvise(from, static_cast<std::size_t>(to - from), MADV_DONTNEED);
}

}  // namespace clearway::detail
