#include <clearway/net/deadline_operation.hpp>

#include <cerrno>

#include <clearway/loop/loop.hpp>

namespace clearway::detail {

bool DeadlineAwaiter::start(PromiseBase& frame) {
  if (!begin(frame)) return true;
  const bool suspended = submit_operation();
  if (pending) Loop::current().timers().set(*this, deadline_);
  return suspended;
}

void DeadlineAwaiter::expired() {
  timed_out_ = true;
  stop();
}

void DeadlineAwaiter::completed() {
  Loop::current().timers().cancel(*this);
  if (timed_out_ && result == -ECANCELED) result = -ETIMEDOUT;
  SocketAwaiter::completed();
}

}  // namespace clearway::detail
