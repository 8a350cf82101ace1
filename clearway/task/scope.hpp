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

// There is one in every child of a group, so it is kept small.
class CancelScope : public StackNode<CancelScope> {
 public:
  CancelScope() noexcept = default;
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;
  ~CancelScope() = default;

  // Interrupts what waits in this scope; idempotent. On the loop's thread: on one without a loop it
  // ends the program with an explanation when something waits.
  void cancel() noexcept;
  // This scope itself was cancelled: it absorbs Cancelled at its edge.
  [[nodiscard]] bool cancel_called() const noexcept { return called_; }
  // This scope or one around it was cancelled.
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }
  // The nearest deadline of this scope and those around it, as far as they reach into it.
  [[nodiscard]] Instant deadline() const noexcept;
  [[nodiscard]] CancelScope* parent() const noexcept { return parent_; }

  // For combinators. Makes this scope a child of `parent` (null for the root). A shielded scope is
  // not reached by the cancellations and deadlines around it.
  void enter(CancelScope* parent, bool shielded = false) noexcept;
  void leave() noexcept { unlink(); }

  // Which class derives from it: some scopes know more.
  enum class Kind : std::uint8_t { plain, deadline, local, child };
  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  // The scopes directly in this one, the latest first.
  [[nodiscard]] Stack<CancelScope>& children() noexcept { return children_; }
  [[nodiscard]] const Stack<CancelScope>& children() const noexcept { return children_; }

 protected:
  explicit CancelScope(Kind kind) noexcept : kind_(kind) {}

 private:
  friend class Waiter;
  friend struct inspect::Layout;
  void spread() noexcept;

  CancelScope* parent_ = nullptr;
  Stack<CancelScope> children_;
  Stack<Waiter, ScopeTag> waiting_;
  // Which frame was refused an await again and again here, abridged, and how often; see waiter.cpp.
  std::uint16_t refusals_ = 0;
  std::uint8_t refused_frame_ = 0;
  Kind kind_ : 2 = Kind::plain;
  bool called_ : 1 = false;
  bool cancelled_ : 1 = false;
  bool shielded_ : 1 = false;
};

// A scope that cancels itself when its deadline passes.
class DeadlineScope final : public CancelScope, private Timer {
 public:
  DeadlineScope() noexcept : CancelScope(Kind::deadline) {}

  // What deadline() says inside, without setting the timer.
  void limit(Instant deadline) noexcept {
    if (deadline < deadline_) deadline_ = deadline;
  }
  // Sets the timer; a deadline that has passed cancels at once.
  void start(Instant deadline);
  // Disarms the timer.
  void stop() noexcept;

 private:
  friend class CancelScope;
  void expired() override { cancel(); }

  Instant deadline_ = never;
};

}  // namespace clearway
