#include <clearway/loop/loop_record.hpp>

#include <utility>

#include <pthread.h>
#include <unistd.h>
#include <clearway/loop/fork.hpp>

namespace clearway {

constinit LoopRegistry loop_registry;
constinit std::atomic<const ForkWatcher*> fork_watcher = nullptr;

namespace {

void before_fork() {
  loop_registry.mutex.lock();
  if (const ForkWatcher* watcher = fork_watcher.load()) watcher->before();
}

void after_fork(bool in_child) {
  if (const ForkWatcher* watcher = fork_watcher.load()) watcher->after(in_child);
  loop_registry.mutex.unlock();
}

// The loops are the parent's, and most lie on stacks of threads that the child does not have.
void after_fork_in_child() {
  while (LoopRecord* const record = std::exchange(loop_registry.first, nullptr)) {
    loop_registry.first = std::exchange(record->next, nullptr);
    record->previous = nullptr;
  }
  after_fork(true);
}

}  // namespace

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
  [[maybe_unused]] static const int follows_forks =
      ::pthread_atfork(before_fork, [] { after_fork(false); }, after_fork_in_child);
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
