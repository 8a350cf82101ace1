#include <clearway/base/frame_memory.hpp>

#include <array>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define CLEARWAY_FRAMES_FROM_HEAP 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CLEARWAY_FRAMES_FROM_HEAP 1
#endif
#endif
#ifndef CLEARWAY_FRAMES_FROM_HEAP
#define CLEARWAY_FRAMES_FROM_HEAP 0
#endif

namespace clearway::frame_memory {
namespace {

// Under AddressSanitizer every frame is a heap block of its own, so that a use after the end of a
// task is found.
constexpr bool from_heap = CLEARWAY_FRAMES_FROM_HEAP;
constexpr std::size_t slab_size = 64 * 1024;

using detail::Block;
using detail::class_count;
using detail::granularity;
using detail::lists;

// The part of a slab that has not been carved yet.
struct Remainder {
  char* begin = nullptr;
  char* end = nullptr;
  [[nodiscard]] bool holds(std::size_t size) const noexcept {
    return end - begin >= static_cast<std::ptrdiff_t>(size);
  }
};

// Slabs of all threads, and what threads that have ended left: their free lists, each as a whole,
// and the rests of their slabs.
struct Reserve {
  std::mutex mutex;
  std::array<Block*, class_count> lists{};
  std::vector<Remainder> remainders;
  std::vector<void*> slabs;  // keeps them reachable for the leak checker
};

Reserve& reserve() {
  static Reserve* const instance = new Reserve;  // outlives every thread
  return *instance;
}

constinit thread_local Remainder slab;
constinit thread_local bool thread_ended = false;

void give_to_reserve() noexcept {
  Reserve& shared = reserve();
  const std::lock_guard lock(shared.mutex);
  for (std::size_t index = 0; index < class_count; ++index) {
    Block* list = std::exchange(lists.first[index], nullptr);
    if (list == nullptr) continue;
    list->next_list = shared.lists[index];
    shared.lists[index] = list;
  }
  // There is room: take_slab() saw to it.
  if (slab.holds(granularity)) shared.remainders.push_back(std::exchange(slab, {}));
}

struct ThreadEnd {
  ~ThreadEnd() {
    give_to_reserve();
    lists.in_use = false;
    thread_ended = true;
  }
};

// Called before a thread keeps its first block.
void register_thread() noexcept {
  if (thread_ended) return;
  static thread_local ThreadEnd at_thread_end;
  (void)at_thread_end;
  lists.in_use = true;
}

// A remainder that holds `size`, from the reserve or new.
Remainder take_slab(Reserve& shared, std::size_t size) {
  const std::lock_guard lock(shared.mutex);
  for (Remainder& remainder : shared.remainders) {
    if (!remainder.holds(size)) continue;
    const Remainder found = std::exchange(remainder, shared.remainders.back());
    shared.remainders.pop_back();
    return found;
  }
  if (shared.slabs.size() == shared.slabs.capacity()) {
    shared.slabs.reserve(2 * shared.slabs.size() + 16);
    shared.remainders.reserve(shared.slabs.capacity());
  }
  char* const slab = static_cast<char*>(::operator new(slab_size));
  shared.slabs.push_back(slab);
  return {slab, slab + slab_size};
}

void keep(Block* block, std::size_t index) noexcept {
  block->next = lists.first[index];
  lists.first[index] = block;
}

void* refill(std::size_t index) {
  register_thread();
  const std::size_t size = (index + 1) * granularity;
  Reserve& shared = reserve();
  {
    const std::lock_guard lock(shared.mutex);
    if (Block* block = shared.lists[index]) {
      shared.lists[index] = block->next_list;
      lists.first[index] = block->next;
      return block;
    }
  }
  if (!slab.holds(size)) {
    const Remainder before = std::exchange(slab, take_slab(shared, size));
    // Too small for this block, and large enough for one of another size.
    if (before.holds(granularity)) {
      const auto left = static_cast<std::size_t>(before.end - before.begin);
      keep(reinterpret_cast<Block*>(before.begin), left / granularity - 1);
    }
  }
  char* block = slab.begin;
  slab.begin += size;
  return block;
}

void count_down() {
  if (--lists.fail_countdown == 0) throw std::bad_alloc();
}

}  // namespace

namespace detail {

constinit thread_local FreeLists lists;

void* allocate_otherwise(std::size_t size) {
  if (lists.fail_countdown != 0) count_down();
  void* result = nullptr;
  const std::size_t index = class_of(size);
  if (from_heap || index >= class_count) {
    result = ::operator new(size);
  } else if (Block* block = lists.first[index]) {
    lists.first[index] = block->next;
    result = block;
  } else {
    result = refill(index);
  }
  ++lists.live;
  return result;
}

void release_otherwise(void* block, std::size_t size) noexcept {
  --lists.live;
  const std::size_t index = class_of(size);
  if (from_heap || index >= class_count) {
    ::operator delete(block);
    return;
  }
  register_thread();  // a thread may get its first block from others
  keep(static_cast<Block*>(block), index);
  // Destructors of thread-local objects come after the end.
  if (!lists.in_use) give_to_reserve();
}

}  // namespace detail

std::size_t slab_bytes() noexcept {
  Reserve& shared = reserve();
  const std::lock_guard lock(shared.mutex);
  return shared.slabs.size() * slab_size;
}

std::ptrdiff_t live_blocks() noexcept { return lists.live; }

std::size_t fail_after(std::size_t allocations) noexcept {
  return std::exchange(lists.fail_countdown, allocations);
}

}  // namespace clearway::frame_memory
