#pragma once

// Timers in a hierarchical wheel (as tokio's): six levels of 64 slots, one tick of 1 ms at the
// lowest. Setting and cancelling are O(1), which is what counts, since nearly every timer is a
// timeout that is cancelled. A timer never fires early and at most one tick late.
//
// In simulated time the same class keeps an ordered set instead, so that virtual time is exact to
// the nanosecond and timers of one instant fire in the order in which they were set.

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <tuple>

#include <clearway/base/list.hpp>
#include <clearway/loop/time.hpp>

namespace clearway {

struct TimerTag;

// Derive, override expired(), and set it on the loop. Destroying a set timer cancels it, on its
// loop's thread.
class Timer : public ListNode<TimerTag> {
 public:
  Timer() noexcept = default;

  // Called by the loop when the deadline has passed; the timer is no longer set and may be set
  // again or destroyed.
  virtual void expired() = 0;

  [[nodiscard]] Instant deadline() const noexcept { return deadline_; }
  [[nodiscard]] bool armed() const noexcept { return slot_ != idle; }

 protected:
  ~Timer();

 private:
  friend class TimerQueue;
  static constexpr std::uint16_t idle = 0xFFFF;
  static constexpr std::uint16_t exact = 0xFFFE;

  Instant deadline_{};
  std::uint32_t sequence_ = 0;
  std::uint16_t slot_ = idle;
};

class TimerQueue {
 public:
  enum class Mode { wheel, exact };
  explicit TimerQueue(Mode mode, Instant now);
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;
  ~TimerQueue();

  // `timer` must not be armed. A deadline of `never` is legal and never fires.
  void set(Timer& timer, Instant deadline);
  // Does nothing when the timer is not armed.
  void cancel(Timer& timer) noexcept;
  // Fires every timer whose deadline is at or before `now`.
  void expire(Instant now);
  // When to call expire() next at the latest; `never` if no timer is armed. May be earlier than the
  // first deadline when far timers have to move down a level.
  [[nodiscard]] Instant next() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  static constexpr int level_bits = 6;
  static constexpr int slots = 1 << level_bits;
  static constexpr int levels = 6;

  using Key = std::tuple<Instant, std::uint32_t, Timer*>;

  void insert(Timer& timer) noexcept;
  void expire_exact(Instant now);
  void fire(List<Timer, TimerTag>& due);
  // The tick at which the lowest occupied slot of `level` begins; -1 when the level is empty.
  [[nodiscard]] std::int64_t level_next(int level) const noexcept;

  Mode mode_;
  std::int64_t elapsed_;  // ticks that are already dealt with
  std::size_t size_ = 0;
  std::uint32_t next_sequence_ = 0;
  std::array<std::uint64_t, levels> occupied_{};
  std::array<List<Timer, TimerTag>, levels * slots> wheel_;
  std::set<Key> ordered_;
};

}  // namespace clearway
