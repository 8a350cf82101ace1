#pragma once

// The fibers of a loop whose blocking calls have ended, and those that are started when fibers have
// had their share of the turn. What a library does between two waits takes long next to what tasks
// do (a TLS handshake: milliseconds), and a thousand of them may be ready at once. So they do not
// stand in the loop's ready queue, in front of every task and timer, but in a queue of their own,
// of which each turn serves as much as goes into a millisecond.

#include <clearway/fiber/pool.hpp>

namespace clearway::detail {

class FiberLane final : public LoopService, private Ready {
 public:
  explicit FiberLane(Loop& loop) noexcept : loop_(loop) {}
  ~FiberLane() override;

  // Resumes it soon.
  void push(Fiber& fiber) noexcept;
  // It is not to be resumed after all.
  void remove(Fiber& fiber) noexcept;

  // Fibers have had their share of this turn of `loop`, the current one. Reads the clock; in
  // simulation turns take no time.
  static bool share_is_over(Loop& loop) noexcept;
  // A fiber that would be started now has to stand in line: that was so when somebody asked last,
  // or others do.
  static bool crowded(Loop& loop) noexcept {
    const FiberThread& thread = this_fiber_thread;
    if (!thread.lane_waits && !thread.crowded) [[likely]]
      return false;
    // What is left of a loop before says nothing of one that is simulated.
    return !loop.driver().simulated() && (thread.lane_waits || thread.turn == turn_of(loop));
  }

 private:
  static constexpr Duration share = std::chrono::milliseconds(1);

  static std::uint64_t turn_of(Loop& loop) noexcept {
    return loop.record().sequence.load(std::memory_order_relaxed);
  }
  void run() override;

  Loop& loop_;
  Fiber* first_ = nullptr;
  Fiber* last_ = nullptr;
  bool queued_ = false;
  // Tasks whose timers are due stand behind us in the ready queue when fibers were left over from
  // the turn before: all that is there goes first, once.
  bool let_others_pass_ = false;
};

}  // namespace clearway::detail
