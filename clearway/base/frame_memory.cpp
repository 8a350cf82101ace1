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
constexpr std::size_t granularity = 16;
constexpr std::size_t largest = 2048;
constexpr std::size_t class_count = largest / granularity;
constexpr std::size_t slab_size = 64 * 1024;

struct Block {
  Block* next;
  Block* next_list;  // in the reserve, for the first of its list
};
static_assert(sizeof(Block) <= granularity);

using FreeLists = std::array<Block*, class_count>;

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
  FreeLists lists{};
  std::vector<Remainder> remainders;
  std::vector<void*> slabs;  // keeps them reachable for the leak checker
};

Reserve& reserve() {
  static Reserve* const instance = new Reserve;  // outlives every thread
  return *instance;
}

struct ThreadState {
  FreeLists lists{};
  std::ptrdiff_t live = 0;
  std::size_t fail_countdown = 0;
  Remainder slab;
};

constinit thread_local ThreadState state;

void give_to_reserve() noexcept {
  Reserve& shared = reserve();
  const std::lock_guard lock(shared.mutex);
  for (std::size_t index = 0; index < class_count; ++index) {
    Block* list = std::exchange(state.lists[index], nullptr);
    if (list == nullptr) continue;
    list->next_list = shared.lists[index];
    shared.lists[index] = list;
  }
  // There is room: take_slab() saw to it.
  if (state.slab.holds(granularity)) shared.remainders.push_back(std::exchange(state.slab, {}));
}

struct ThreadEnd {
  ~ThreadEnd() { give_to_reserve(); }
};

// Called before a thread keeps its first block.
void register_thread() noexcept {
  static thread_local ThreadEnd at_thread_end;
  (void)at_thread_end;
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
  block->next = state.lists[index];
  state.lists[index] = block;
}

void* refill(std::size_t index) {
  register_thread();
  const std::size_t size = (index + 1) * granularity;
  Reserve& shared = reserve();
  {
    const std::lock_guard lock(shared.mutex);
    if (Block* block = shared.lists[index]) {
      shared.lists[index] = block->next_list;
      state.lists[index] = block->next;
      return block;
    }
  }
  if (!state.slab.holds(size)) {
    const Remainder before = std::exchange(state.slab, take_slab(shared, size));
    // Too small for this block, and large enough for one of another size.
    if (before.holds(granularity)) {
      const auto left = static_cast<std::size_t>(before.end - before.begin);
      keep(reinterpret_cast<Block*>(before.begin), left / granularity - 1);
    }
  }
  char* block = state.slab.begin;
  state.slab.begin += size;
  return block;
}

[[gnu::noinline]] void count_down() {
  if (--state.fail_countdown == 0) throw std::bad_alloc();
}

}  // namespace

void* allocate(std::size_t size) {
  if (state.fail_countdown != 0) [[unlikely]]
    count_down();
  void* result = nullptr;
  const std::size_t index = (size - 1) / granularity;
  if (from_heap || index >= class_count) {
    result = ::operator new(size);
  } else if (Block* block = state.lists[index]) {
    state.lists[index] = block->next;
    result = block;
  } else {
    result = refill(index);
  }
  ++state.live;
  return result;
}

void release(void* block, std::size_t size) noexcept {
  --state.live;
  const std::size_t index = (size - 1) / granularity;
  if (from_heap || index >= class_count) {
    ::operator delete(block);
    return;
  }
  // A thread may get its blocks from others.
  if (state.lists[index] == nullptr) [[unlikely]]
    register_thread();
  keep(static_cast<Block*>(block), index);
}

std::size_t slab_bytes() noexcept {
  Reserve& shared = reserve();
  const std::lock_guard lock(shared.mutex);
  return shared.slabs.size() * slab_size;
}

std::ptrdiff_t live_blocks() noexcept { return state.live; }

std::size_t fail_after(std::size_t allocations) noexcept {
  return std::exchange(state.fail_countdown, allocations);
}

}  // namespace clearway::frame_memory
