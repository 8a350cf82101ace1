#pragma once

// Cancellation: level-triggered scopes, as Trio's. A scope that is cancelled interrupts every await
// that waits inside it, and every later one, until the work has left the scope. Scopes nest: the
// cancellation of a scope covers the scopes inside it, except shielded ones.

#include <cstdint>

#include <clearway/base/list.hpp>
#include <clearway/loop/time.hpp>
#include <clearway/loop/timer.hpp>

namespace clearway {

class Waiter;
struct ScopeTag;
struct LocalBinding;

class CancelScope : public ListNode<CancelScope> {
 public:
  CancelScope() noexcept = default;
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;
  ~CancelScope() = default;

  // Interrupts what waits in this scope; idempotent. On the loop's thread.
  void cancel() noexcept;
  // This scope itself was cancelled: it absorbs Cancelled at its edge.
  [[nodiscard]] bool cancel_called() const noexcept { return called_; }
  // This scope or one around it was cancelled.
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }
  // The nearest deadline of this scope and those around it.
  [[nodiscard]] Instant deadline() const noexcept { return deadline_; }
  [[nodiscard]] CancelScope* parent() const noexcept { return parent_; }

  // For combinators. Makes this scope a child of `parent` (null for the root). A shielded scope is
  // not reached by the cancellations and deadlines around it.
  void enter(CancelScope* parent, bool shielded = false) noexcept;
  // Takes effect for awaits that begin later.
  void limit(Instant deadline) noexcept {
    if (deadline < deadline_) deadline_ = deadline;
  }
  void leave() noexcept { unlink(); }

  // A task-local value that is set for this scope; null for most.
  const LocalBinding* binding = nullptr;

 private:
  friend class Waiter;
  void spread() noexcept;

  bool called_ = false;
  bool cancelled_ = false;
  bool shielded_ = false;
  // Which frame was refused an await again and again here, abridged, and how often; see waiter.cpp.
  std::uint16_t refused_frame_ = 0;
  std::uint16_t refusals_ = 0;
  CancelScope* parent_ = nullptr;
  Instant deadline_ = never;
  List<CancelScope> children_;
  List<Waiter, ScopeTag> waiting_;
};

// A scope that cancels itself when its deadline passes.
class DeadlineScope final : public CancelScope, private Timer {
 public:
  // Sets the timer; a deadline that has passed cancels at once.
  void start(Instant deadline);
  // Disarms the timer.
  void stop() noexcept;

 private:
  void expired() override { cancel(); }
};

}  // namespace clearway
