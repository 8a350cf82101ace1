#pragma once

// The base of every awaiter that really waits (a leaf of the await tree).
//
// Protocol, all on the loop's thread:
//   await_suspend:  if (!begin(frame)) return true;   // already cancelled: comes back by itself
//                   start the operation; when it is done at once: return !done_at_once();
//                   return true;
//   the operation ends:   wake()
//   the scope is cancelled while it waits:   stop() is called once: abort the operation. When that
//                   is immediate call wake_cancelled(), otherwise wake() or wake_cancelled() when
//                   the operation has ended; what it had done by then must not be lost, so an
//                   operation that did complete calls wake().
//   await_resume:   throw_if_cancelled(); give the result

#include <clearway/task/promise.hpp>

namespace clearway {

class Waiter : public Ready, public StackNode<ScopeTag> {
 public:
  Waiter() noexcept = default;

  // For CancelScope.
  void interrupt() noexcept { stop(); }
  // The frame that waits; null before the first begin().
  [[nodiscard]] PromiseBase* frame() const noexcept {
    return reinterpret_cast<PromiseBase*>(frame_ & ~cancelled_mark);
  }

 protected:
  ~Waiter() = default;

  // Enters the frame's scope. False: the scope is cancelled, the operation must not be started; the
  // frame is resumed through the ready queue and throw_if_cancelled() throws.
  bool begin(PromiseBase& frame) noexcept;
  // For an operation that completed inside await_suspend: true lets the frame go on at once; false
  // means that it has had its share of this turn and is queued. Use as `return !done_at_once()`.
  bool done_at_once() noexcept;
  void wake() noexcept;
  void wake_cancelled() noexcept {
    frame_ |= cancelled_mark;
    wake();
  }
  void throw_if_cancelled() const {
    if ((frame_ & cancelled_mark) != 0) throw Cancelled();
  }
  // Called once. The waiter is still among those of its scope, until it is woken.
  virtual void stop() noexcept = 0;

 private:
  friend struct inspect::Layout;
  void run() final { resume(*frame()); }
  static void note_refusal(const PromiseBase& frame) noexcept;

  static constexpr std::uintptr_t cancelled_mark = 1;
  std::uintptr_t frame_ = 0;  // marked when the wait was cancelled
};

}  // namespace clearway
