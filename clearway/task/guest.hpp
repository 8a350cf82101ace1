#pragma once

// A loop that lives inside somebody else's: Qt's, GLib's, a game's.
//
//   Guest guest(amain());
//   while (!guest.done()) {
//     pollfd wait{guest.descriptor(), POLLIN, 0};
//     poll(&wait, 1, guest.milliseconds());     // the host's own waiting, for this and all else
//     guest.run_ready();
//   }
//   guest.take();                               // throws what amain() threw

#include <chrono>
#include <exception>
#include <memory>

#include <clearway/loop/loop.hpp>
#include <clearway/task/task.hpp>

namespace clearway {

// Runs one task, and the background work of its run, in turns that the host makes. All on one
// thread, which must run no other loop; post() works from any.
class Guest {
 public:
  // Starts the task, up to its first wait, on the driver that run() would take. Throws UsageError
  // when this thread runs a loop already, SystemError when the kernel refuses one.
  explicit Guest(Task<> task);
  // The same on `driver`; UsageError when it has no descriptor to wait for, as the simulated world
  // and a ring with DEFER_TASKRUN.
  Guest(Task<> task, std::unique_ptr<Driver> driver);
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  // Cancels what still runs and waits for its end.
  ~Guest();

  // Can be read when there is something to do.
  [[nodiscard]] int descriptor() const noexcept;
  // How long the host may wait for that, to be asked right before it waits: 0 when there is
  // something to do now, Duration::max() when no timer is set.
  Duration wait_at_most();
  // The same in milliseconds, rounded up, -1 for ever: as poll(2) has it.
  int milliseconds();
  // Does what there is to do, for `budget` or a little longer. Throws what a posted function threw.
  void run_ready(Duration budget = std::chrono::milliseconds(5));

  // Interrupts the task; it ends in one of the next turns.
  void cancel();
  // The task and the background work have ended.
  [[nodiscard]] bool done() const noexcept;
  // Throws what the task threw, or the background work; UsageError before the end. A task that was
  // cancelled has simply ended.
  void take();
  [[nodiscard]] Loop& loop() noexcept;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace clearway
