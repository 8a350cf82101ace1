// The memory of frames: sizes, failures, and what threads leave behind. Under AddressSanitizer
// every block is the heap's, so there the tests of slabs have nothing to find.

#include <clearway/base/frame_memory.hpp>

#include <cstdint>
#include <cstring>
#include <new>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace clearway {
namespace {

using Blocks = std::vector<std::pair<void*, std::size_t>>;

void take(Blocks& blocks, std::size_t size, int count) {
  for (int index = 0; index < count; ++index) {
    blocks.emplace_back(frame_memory::allocate(size), size);
  }
}
void give_back(Blocks& blocks) {
  for (const auto& [block, size] : blocks) frame_memory::release(block, size);
  blocks.clear();
}

TEST(FrameMemory, BlocksAreAlignedAndDoNotOverlap) {
  const std::ptrdiff_t before = frame_memory::live_blocks();
  Blocks blocks;
  for (std::size_t size = 1; size < 3000; size += 7) take(blocks, size, 2);
  for (std::size_t index = 0; index < blocks.size(); ++index) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks[index].first) % 16, 0U);
    std::memset(blocks[index].first, static_cast<int>(index % 251), blocks[index].second);
  }
  for (std::size_t index = 0; index < blocks.size(); ++index) {
    const auto* bytes = static_cast<unsigned char*>(blocks[index].first);
    EXPECT_EQ(bytes[0], index % 251);
    EXPECT_EQ(bytes[blocks[index].second - 1], index % 251);
  }
  EXPECT_EQ(frame_memory::live_blocks() - before, static_cast<std::ptrdiff_t>(blocks.size()));
  give_back(blocks);
  EXPECT_EQ(frame_memory::live_blocks(), before);
}

TEST(FrameMemory, ABlockIsUsedAgain) {
  const std::size_t before = frame_memory::slab_bytes();
  for (int round = 0; round < 100'000; ++round) {
    frame_memory::release(frame_memory::allocate(700), 700);
  }
  EXPECT_LE(frame_memory::slab_bytes() - before, 64U * 1024);
}

TEST(FrameMemory, FailsWhenItIsToldToAndThenGoesOn) {
  const std::ptrdiff_t before = frame_memory::live_blocks();
  Blocks blocks;
  frame_memory::fail_after(3);
  take(blocks, 100, 2);
  EXPECT_THROW(take(blocks, 100, 1), std::bad_alloc);
  EXPECT_EQ(frame_memory::live_blocks() - before, 2);
  take(blocks, 100, 5);
  frame_memory::fail_after(1);
  frame_memory::fail_after(0);
  take(blocks, 100, 1);
  give_back(blocks);
}

// As a thread of some program: it makes blocks of its own few sizes.
void short_thread(std::size_t number) {
  Blocks blocks;
  for (std::size_t offset = 0; offset < 5; ++offset) {
    take(blocks, 16 * ((number * 7 + offset * 13) % 120 + 1), 8);
  }
  give_back(blocks);
}

TEST(FrameMemory, ThreadsOneAfterAnotherDoNotGrowIt) {
  std::thread(short_thread, 0).join();
  const std::size_t before = frame_memory::slab_bytes();
  for (std::size_t number = 0; number < 200; ++number) std::thread(short_thread, number).join();
  // 120 sizes, eight blocks of each: 930 KB and not 200 slabs.
  EXPECT_LE(frame_memory::slab_bytes() - before, 1024U * 1024);
  const std::size_t settled = frame_memory::slab_bytes();
  for (std::size_t number = 0; number < 200; ++number) std::thread(short_thread, number).join();
  EXPECT_LE(frame_memory::slab_bytes() - settled, 64U * 1024);
}

TEST(FrameMemory, ThreadsSideBySideDoNotGrowIt) {
  const auto wave = [] {
    std::vector<std::thread> threads;
    for (std::size_t number = 0; number < 20; ++number) threads.emplace_back(short_thread, number);
    for (std::thread& thread : threads) thread.join();
  };
  for (int round = 0; round < 3; ++round) wave();
  const std::size_t before = frame_memory::slab_bytes();
  for (int round = 0; round < 10; ++round) wave();
  // Each of twenty may need a slab more than ever before, once.
  EXPECT_LE(frame_memory::slab_bytes() - before, 20U * 64 * 1024);
}

TEST(FrameMemory, WhatAnotherThreadGivesBackIsNotLost) {
  const auto pass_through_a_thread = [] {
    Blocks blocks;
    take(blocks, 1500, 40);
    std::thread([&] { give_back(blocks); }).join();
  };
  pass_through_a_thread();
  const std::size_t before = frame_memory::slab_bytes();
  for (int round = 0; round < 50; ++round) pass_through_a_thread();
  EXPECT_LE(frame_memory::slab_bytes() - before, 64U * 1024);
}

// Destructors of a thread's objects give blocks back when the thread's lists are gone.
TEST(FrameMemory, WhatIsGivenBackAtTheEndOfAThreadIsNotLost) {
  struct Last {
    Blocks blocks;
    ~Last() { give_back(blocks); }
  };
  const auto thread = [] {
    static thread_local Last last;  // made before the first block: it goes after the lists
    take(last.blocks, 1300, 40);
  };
  std::thread(thread).join();
  const std::size_t before = frame_memory::slab_bytes();
  for (int round = 0; round < 50; ++round) std::thread(thread).join();
  EXPECT_LE(frame_memory::slab_bytes() - before, 64U * 1024);
}

TEST(FrameMemory, AListOfTheReserveGoesToOneThreadOnly) {
  std::thread([] {
    Blocks blocks;
    take(blocks, 1000, 50);
    give_back(blocks);
  }).join();
  std::vector<Blocks> taken(4);
  std::vector<std::thread> threads;
  for (Blocks& blocks : taken) threads.emplace_back([&blocks] { take(blocks, 1000, 50); });
  for (std::thread& thread : threads) thread.join();
  std::set<void*> different;
  for (Blocks& blocks : taken) {
    for (const auto& block : blocks) different.insert(block.first);
    give_back(blocks);
  }
  EXPECT_EQ(different.size(), 200U);
}

}  // namespace
}  // namespace clearway
