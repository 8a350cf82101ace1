#pragma once

// What others can know of a loop while it runs, or hangs: threads of its process, debuggers, and
// processes that read its memory. The loop only stores; whoever wants to know more owns the clock.

#include <atomic>
#include <cstdint>
#include <mutex>

#include <clearway/loop/time.hpp>

namespace clearway {

class Loop;

// One cache line for each loop.
struct alignas(64) LoopRecord {
  // Odd while the loop runs what is ready, even while it waits or its host runs; it changes with
  // every turn.
  std::atomic<std::uint64_t> sequence = 0;
  // When this turn began, on the loop's clock, in nanoseconds.
  std::atomic<std::int64_t> turn_began = 0;
  // How many of the ready nodes have ended in this turn.
  std::atomic<std::int32_t> callbacks = 0;
  // Set by who watches before he sleeps for long: the next turn is to wake him.
  std::atomic<bool> watcher_sleeps = false;
  bool simulated = false;
  std::int32_t thread = 0;  // as the kernel numbers it
  Loop* loop = nullptr;
  LoopRecord* next = nullptr;
  LoopRecord* previous = nullptr;

  // Marks a turn.
  class Busy {
   public:
    Busy(LoopRecord& record, Instant now) noexcept : record_(record) {
      const std::uint64_t before = record.sequence.load(std::memory_order_relaxed);
      record.turn_began.store(now.time_since_epoch().count(), std::memory_order_relaxed);
      record.sequence.store((before + 1) | 1, std::memory_order_release);
      if (record.watcher_sleeps.load(std::memory_order_relaxed)) [[unlikely]]
        record.wake_watcher();
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ~Busy() {
      const std::uint64_t odd = record_.sequence.load(std::memory_order_relaxed) | 1;
      record_.sequence.store(odd + 1, std::memory_order_release);
    }

   private:
    LoopRecord& record_;
  };

 private:
  void wake_watcher() noexcept;
};

// The loops of this process. Read from outside too, so a plain list.
struct LoopRegistry {
  // Called on the loop's thread: when one has come, and by a turn where `watcher_sleeps` is set.
  struct Watcher {
    void (*came)(LoopRecord&);
    void (*wake)();
  };

  std::mutex mutex;  // for `first` and what hangs on it
  LoopRecord* first = nullptr;
  std::atomic<const Watcher*> watcher = nullptr;
};
extern constinit LoopRegistry loop_registry;

// For Loop.
void enlist(LoopRecord& record, Loop& loop) noexcept;
void delist(LoopRecord& record) noexcept;

}  // namespace clearway
