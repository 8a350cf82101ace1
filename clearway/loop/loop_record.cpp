#include <clearway/loop/loop_record.hpp>

#include <unistd.h>

namespace clearway {

constinit LoopRegistry loop_registry;

void LoopRecord::wake_watcher() noexcept {
  watcher_sleeps.store(false, std::memory_order_relaxed);
  const LoopRegistry::Watcher* watcher = loop_registry.watcher.load(std::memory_order_acquire);
  if (watcher != nullptr) watcher->wake();
}

void enlist(LoopRecord& record, Loop& loop) noexcept {
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
  if (record.next != nullptr) record.next->previous = record.previous;
  (record.previous != nullptr ? record.previous->next : loop_registry.first) = record.next;
}

}  // namespace clearway
