#pragma once

// Signals as events of the loop.

#include <initializer_list>
#include <vector>

#include <signal.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/base/unique_function.hpp>
#include <clearway/loop/operation.hpp>

namespace clearway {

class Loop;

// While it lives, the given signals call `callback(signal)` on the loop instead of ending the
// process. With Repeat::ends a signal that comes a second time takes its default action: who
// presses Ctrl-C twice wants the program to end, whatever it is doing. With Repeat::calls it calls
// again; signals that come faster than the loop turns are one. The handlers from before are
// restored at the end.
//
// One watch per signal in the process, or UsageError; SystemError when the kernel refuses. It is
// made and destroyed on the thread of the loop, before the loop is. The callback runs inside the
// driver: it may cancel scopes and queue ready nodes, but not resume a task itself or throw. In a
// simulated world there are no signals, and the watch does nothing.
class SignalWatch final : private Operation {
 public:
  enum class Repeat { ends, calls };

  SignalWatch(Loop& loop, std::initializer_list<int> signals, UniqueFunction<void(int)> callback,
              Repeat repeat = Repeat::ends);
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch();

 private:
  struct Watched {
    int number;
    struct sigaction before;
  };

  void completed() override;
  void listen();
  void restore() noexcept;
  void deliver();

  Loop& loop_;
  UniqueFunction<void(int)> callback_;
  Descriptor event_;
  std::vector<Watched> watched_;
  bool ending_ = false;
};

}  // namespace clearway
