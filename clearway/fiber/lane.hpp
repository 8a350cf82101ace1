#pragma once

// The fibers of a loop whose blocking calls have ended. What a library does between two waits takes
// long next to what tasks do (a TLS handshake: milliseconds), and a thousand of them may be ready
// at once. So they do not stand in the loop's ready queue, in front of every task and timer, but in
// a queue of their own, of which each turn serves as much as goes into a few milliseconds.

#include <clearway/fiber/core.hpp>

namespace clearway::detail {

class FiberLane final : public LoopService, private Ready {
 public:
  explicit FiberLane(Loop& loop) noexcept : loop_(loop) {}
  ~FiberLane() override = default;

  // Resumes it soon.
  void push(Fiber& fiber) noexcept;

 private:
  void run() override;

  Loop& loop_;
  Fiber* first_ = nullptr;
  Fiber* last_ = nullptr;
  bool queued_ = false;
};

}  // namespace clearway::detail
