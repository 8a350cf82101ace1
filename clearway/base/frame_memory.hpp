#pragma once

// Memory for coroutine frames and for the small nodes that live as long as a task.
//
// Frames come and go by the million and in few sizes, and always on the thread of their loop: a
// free list per size class and thread serves them without a lock and without a header. Blocks are
// carved from 64 KiB slabs that live as long as the process; when a thread ends, its free blocks
// and what is left of its slab go to the threads that need some.

#include <array>
#include <cstddef>

namespace clearway::frame_memory {

namespace detail {

inline constexpr std::size_t granularity = 16;
inline constexpr std::size_t largest = 2048;
inline constexpr std::size_t class_count = largest / granularity;

constexpr std::size_t class_of(std::size_t size) noexcept { return (size - 1) / granularity; }

struct Block {
  Block* next;
  Block* next_list;  // in the reserve, for the first of its list
};
static_assert(sizeof(Block) <= granularity);

struct FreeLists {
  std::array<Block*, class_count> first{};
  std::ptrdiff_t live = 0;
  std::size_t fail_countdown = 0;
  bool in_use = false;  // what they hold is given back when the thread ends
};
extern constinit thread_local FreeLists lists;

void* allocate_otherwise(std::size_t size);
void release_otherwise(void* block, std::size_t size) noexcept;

}  // namespace detail

// Gives memory for `size` bytes, aligned to 16. Throws std::bad_alloc. (Inlined: the size of a
// frame is known where it is made, and then this is a dozen instructions.)
[[gnu::always_inline]] inline void* allocate(std::size_t size) {
  detail::FreeLists& lists = detail::lists;
  const std::size_t index = detail::class_of(size);
  if (index < detail::class_count && lists.fail_countdown == 0) [[likely]] {
    if (detail::Block* const block = lists.first[index]) [[likely]] {
      lists.first[index] = block->next;
      ++lists.live;
      return block;
    }
  }
  return detail::allocate_otherwise(size);
}

// Takes back a block that allocate(size) gave. May be called on another thread.
[[gnu::always_inline]] inline void release(void* block, std::size_t size) noexcept {
  detail::FreeLists& lists = detail::lists;
  const std::size_t index = detail::class_of(size);
  if (index < detail::class_count && lists.in_use) [[likely]] {
    auto* const free = static_cast<detail::Block*>(block);
    free->next = lists.first[index];
    lists.first[index] = free;
    --lists.live;
    return;
  }
  detail::release_otherwise(block, size);
}

// How many blocks this thread has taken and not returned: tests compare it before and after.
[[nodiscard]] std::ptrdiff_t live_blocks() noexcept;

// The size of all slabs of the process. It only grows, and stops growing when as many blocks have
// been in use at once as ever will be.
[[nodiscard]] std::size_t slab_bytes() noexcept;

// Makes the n-th allocation of this thread from now (1 is the next) throw std::bad_alloc; 0 turns
// it off. Gives what was left of the countdown before: 0 when it has struck. For tests of
// exhaustion.
std::size_t fail_after(std::size_t allocations) noexcept;

}  // namespace clearway::frame_memory
