#include <clearway/loop/loop_record.hpp>

#include <unistd.h>

namespace clearway {

constinit LoopRegistry loop_registry;

void LoopRecord::wake_watcher() noexcept {
  watcher_sleeps.store(false, std::memory_order_relaxed);
  const LoopRegistry::Watcher* watcher = loop_registry.watcher.load(std::memory_order_acquire);
  if (watcher != nullptr) watcher->wake();
}

// Loops come and go at one address, on a stack for instance: turns of two of them are never taken
// for one.
void enlist(LoopRecord& record, Loop& loop) noexcept {
  static constinit std::atomic<std::uint64_t> loops = 0;
  constexpr int bits_for_turns = 40;
  record.sequence.store(++loops << bits_for_turns, std::memory_order_relaxed);
  record.thread = ::gettid();
  record.loop = &loop;
  {
    const std::lock_guard lock(loop_registry.mutex);
    record.next = loop_registry.first;
    if (record.next != nullptr) record.next->previous = &record;
    loop_registry.first = &record;
  }
  const LoopRegistry::Watcher* watcher = loop_registry.watcher.load(std::memory_order_acquire);
  if (watcher != nullptr) watcher->came(record);
}

void delist(LoopRecord& record) noexcept {
  const std::lock_guard lock(loop_registry.mutex);
  if (record.previous == nullptr && loop_registry.first != &record) return;  // this is a fork
  if (record.next != nullptr) record.next->previous = record.previous;
  (record.previous != nullptr ? record.previous->next : loop_registry.first) = record.next;
}

}  // namespace clearway
