#pragma once

// Memory for coroutine frames and for the small nodes that live as long as a task.
//
// Frames come and go by the million and in few sizes, and always on the thread of their loop: a
// free list per size class and thread serves them without a lock and without a header. Blocks are
// carved from 64 KiB slabs that live as long as the process; when a thread ends, its free blocks
// and what is left of its slab go to the threads that need some.

#include <cstddef>

namespace clearway::frame_memory {

// Gives memory for `size` bytes, aligned to 16. Throws std::bad_alloc.
void* allocate(std::size_t size);

// Takes back a block that allocate(size) gave. May be called on another thread.
void release(void* block, std::size_t size) noexcept;

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
