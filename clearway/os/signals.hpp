#pragma once

#include <deque>
#include <initializer_list>

#include <clearway/loop/signal_wake.hpp>
#include <clearway/task/sync.hpp>
#include <clearway/task/task.hpp>

namespace clearway {

// Signals as a stream, for programs that do more about them than end: reread their settings, print
// how they are.
//
//   Signals hangups({SIGHUP});
//   for (;;) {
//     co_await hangups.next();
//     settings = co_await read_settings();
//   }
//
// While it lives the signals do nothing else. A signal that comes again before it was looked at
// counts once, as in the kernel. One Signals per signal in a process, or UsageError; run_main() has
// SIGINT and SIGTERM for itself. In a simulated world none ever comes.
class Signals {
 public:
  // On the loop's thread; SystemError when the kernel refuses.
  explicit Signals(std::initializer_list<int> signals);
  // Waits for the next signal and gives its number. Cancelled: it waits for the next call.
  Task<int> next();

 private:
  void arrived(int number);

  std::deque<int> waiting_;
  Event changed_;
  SignalWatch watch_;
};

}  // namespace clearway
