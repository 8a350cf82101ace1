#include <clearway/loop/timer.hpp>

#include <algorithm>
#include <bit>
#include <cassert>

#include <clearway/loop/loop.hpp>

namespace clearway {
namespace {

constexpr std::int64_t tick_length = 1'000'000;  // nanoseconds

std::int64_t tick_at_or_before(Instant instant) noexcept {
  return instant.time_since_epoch().count() / tick_length;
}

std::int64_t tick_at_or_after(Instant instant) noexcept {
  const std::int64_t nanoseconds = instant.time_since_epoch().count();
  return nanoseconds / tick_length + (nanoseconds % tick_length > 0 ? 1 : 0);
}

Instant instant_of(std::int64_t tick) noexcept { return Instant(Duration(tick * tick_length)); }

}  // namespace

Timer::~Timer() {
  if (armed()) Loop::current().timers().cancel(*this);
}

TimerQueue::TimerQueue(Mode mode, Instant now) : mode_(mode), elapsed_(tick_at_or_before(now)) {}

TimerQueue::~TimerQueue() = default;

void TimerQueue::set(Timer& timer, Instant deadline) {
  assert(!timer.armed());
  timer.deadline_ = deadline;
  if (mode_ == Mode::exact) {
    timer.sequence_ = next_sequence_++;
    ordered_.emplace(deadline, timer.sequence_, &timer);
    timer.slot_ = Timer::exact;
  } else {
    insert(timer);
  }
  ++size_;
}

void TimerQueue::insert(Timer& timer) noexcept {
  constexpr std::int64_t horizon = std::int64_t{1} << (level_bits * levels);
  std::int64_t when = std::max(tick_at_or_after(timer.deadline_), elapsed_ + 1);
  when = std::min(when, elapsed_ + horizon - 1);  // farther than 2 years: look again then
  const auto difference = static_cast<std::uint64_t>(when ^ elapsed_);
  const int highest = 63 - std::countl_zero(difference | 1);
  const int level = std::min(highest / level_bits, levels - 1);
  const int slot = static_cast<int>((when >> (level * level_bits)) & (slots - 1));
  timer.slot_ = static_cast<std::uint16_t>(level * slots + slot);
  wheel_[timer.slot_].push_back(timer);
  occupied_[static_cast<std::size_t>(level)] |= std::uint64_t{1} << slot;
}

void TimerQueue::cancel(Timer& timer) noexcept {
  if (!timer.armed()) return;
  --size_;
  if (timer.slot_ == Timer::exact) {
    ordered_.erase(Key(timer.deadline_, timer.sequence_, &timer));
  } else {
    timer.unlink();
    if (wheel_[timer.slot_].empty()) {
      occupied_[timer.slot_ / slots] &= ~(std::uint64_t{1} << (timer.slot_ % slots));
    }
  }
  timer.slot_ = Timer::idle;
}

std::int64_t TimerQueue::level_next(int level) const noexcept {
  const std::uint64_t bits = occupied_[static_cast<std::size_t>(level)];
  if (bits == 0) return -1;
  const int shift = level * level_bits;
  const int position = static_cast<int>((elapsed_ >> shift) & (slots - 1));
  const int distance = std::countr_zero(std::rotr(bits, position));
  // A slot at the present position of a higher level lies a whole turn ahead.
  const std::int64_t steps = distance == 0 && level > 0 ? slots : distance;
  return ((elapsed_ >> shift) + steps) << shift;
}

Instant TimerQueue::next() const noexcept {
  if (size_ == 0) return never;
  if (mode_ == Mode::exact) return std::get<Instant>(*ordered_.begin());
  std::int64_t first = -1;
  for (int level = 0; level < levels; ++level) {
    const std::int64_t tick = level_next(level);
    if (tick >= 0 && (first < 0 || tick < first)) first = tick;
  }
  return instant_of(first);
}

void TimerQueue::expire(Instant now) {
  if (size_ == 0 && mode_ == Mode::wheel) {
    elapsed_ = tick_at_or_before(now);
    return;
  }
  if (mode_ == Mode::exact) {
    expire_exact(now);
    return;
  }
  const std::int64_t target = tick_at_or_before(now);
  List<Timer, TimerTag> due;
  while (size_ > 0) {
    std::int64_t tick = -1;
    int level = 0;
    for (int candidate = 0; candidate < levels; ++candidate) {
      const std::int64_t start = level_next(candidate);
      // On a tie the higher level goes first: its timers may belong into the lower slot.
      if (start >= 0 && (tick < 0 || start <= tick)) {
        tick = start;
        level = candidate;
      }
    }
    if (tick > target) break;
    elapsed_ = std::max(elapsed_, tick);
    const auto slot = static_cast<std::size_t>((tick >> (level * level_bits)) & (slots - 1));
    List<Timer, TimerTag> moved;
    moved.splice_back(wheel_[static_cast<std::size_t>(level) * slots + slot]);
    occupied_[static_cast<std::size_t>(level)] &= ~(std::uint64_t{1} << slot);
    moved.for_each([&](Timer& timer) {
      timer.unlink();
      if (tick_at_or_after(timer.deadline_) <= tick) {
        due.push_back(timer);
      } else {
        insert(timer);
      }
    });
    fire(due);
  }
  elapsed_ = std::max(elapsed_, target);
}

void TimerQueue::fire(List<Timer, TimerTag>& due) {
  // A timer that is cancelled by another one's expired() unlinks itself from `due`.
  while (!due.empty()) {
    Timer& timer = due.pop_front();
    timer.slot_ = Timer::idle;
    --size_;
    timer.expired();
  }
}

void TimerQueue::expire_exact(Instant now) {
  while (!ordered_.empty() && std::get<Instant>(*ordered_.begin()) <= now) {
    Timer& timer = *std::get<Timer*>(*ordered_.begin());
    ordered_.erase(ordered_.begin());
    timer.slot_ = Timer::idle;
    --size_;
    timer.expired();
  }
}

}  // namespace clearway
