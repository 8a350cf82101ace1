#pragma once

#include <coroutine>

#include <clearway/loop/timer.hpp>
#include <clearway/net/socket_awaiter.hpp>

namespace clearway::detail {

// Awaits one operation until a deadline; gives 0 or a positive errno value, ETIMEDOUT when the time
// is over.
class DeadlineAwaiter final : public SocketAwaiter, private Timer {
 public:
  DeadlineAwaiter(Transport* transport, Kind what, Handle on, Address* target,
                  Instant deadline) noexcept
      : SocketAwaiter(transport), deadline_(deadline) {
    kind = what;
    handle = on;
    address = target;
  }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> frame) {
    return start(frame.promise());
  }
  int await_resume() const {
    throw_if_cancelled();
    return static_cast<int>(-result);
  }

 private:
  bool start(PromiseBase& frame);
  void expired() override;
  void completed() override;

  Instant deadline_;
  bool timed_out_ = false;
};

class [[nodiscard("co_await it")]] DeadlineOperation {
 public:
  static DeadlineOperation connect(Handle handle, Address& target, Instant deadline) noexcept {
    return {nullptr, Operation::Kind::connect, handle, &target, deadline};
  }
  // Of a layer for which that says something: TLS is writable when its handshake is done.
  static DeadlineOperation writable(Transport& transport, Instant deadline) noexcept {
    return {&transport, Operation::Kind::writable, transport.handle(), nullptr, deadline};
  }
  DeadlineAwaiter operator co_await() const noexcept {
    return {transport_, kind_, handle_, target_, deadline_};
  }

 private:
  DeadlineOperation(Transport* transport, Operation::Kind kind, Handle handle, Address* target,
                    Instant deadline) noexcept
      : transport_(transport), kind_(kind), handle_(handle), target_(target), deadline_(deadline) {}

  Transport* transport_;
  Operation::Kind kind_;
  Handle handle_;
  Address* target_;
  Instant deadline_;
};

}  // namespace clearway::detail
