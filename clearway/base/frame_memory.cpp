#include <clearway/base/frame_memory.hpp>

#include <array>
#include <cstdlib>
#include <mutex>
#include <new>
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
};

using FreeLists = std::array<Block*, class_count>;

// Slabs of all threads, and the free blocks of threads that have ended.
struct Reserve {
  std::mutex mutex;
  FreeLists lists{};
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
  char* slab_next = nullptr;
  char* slab_end = nullptr;
};

constinit thread_local ThreadState state;

void give_to_reserve() noexcept {
  Reserve& shared = reserve();
  const std::lock_guard lock(shared.mutex);
  for (std::size_t index = 0; index < class_count; ++index) {
    while (Block* block = state.lists[index]) {
      state.lists[index] = block->next;
      block->next = shared.lists[index];
      shared.lists[index] = block;
    }
  }
}

struct ThreadEnd {
  ~ThreadEnd() { give_to_reserve(); }
};

void* refill(std::size_t index) {
  static thread_local ThreadEnd at_thread_end;
  (void)at_thread_end;
  const std::size_t size = (index + 1) * granularity;
  Reserve& shared = reserve();
  {
    const std::lock_guard lock(shared.mutex);
    if (Block* block = shared.lists[index]) {
      state.lists[index] = block->next;
      shared.lists[index] = nullptr;
      return block;
    }
  }
  if (state.slab_end - state.slab_next < static_cast<std::ptrdiff_t>(size)) {
    void* slab = ::operator new(slab_size);
    const std::lock_guard lock(shared.mutex);
    shared.slabs.push_back(slab);
    state.slab_next = static_cast<char*>(slab);
    state.slab_end = state.slab_next + slab_size;
  }
  char* block = state.slab_next;
  state.slab_next += size;
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
  auto* free_block = static_cast<Block*>(block);
  free_block->next = state.lists[index];
  state.lists[index] = free_block;
}

std::ptrdiff_t live_blocks() noexcept { return state.live; }

void fail_after(std::size_t allocations) noexcept { state.fail_countdown = allocations; }

}  // namespace clearway::frame_memory
