#pragma once

#include <coroutine>

#include <clearway/loop/operation.hpp>
#include <clearway/net/transport.hpp>
#include <clearway/task/waiter.hpp>

namespace clearway::detail {

// An awaiter that is its own driver operation, so that waiting for a socket allocates nothing. A
// cancellation aborts the operation and waits until the driver has let go of it; an operation that
// had done something by then counts as done.
class SocketAwaiter : public Waiter, protected Operation {
 public:
  bool await_ready() const noexcept { return false; }

 protected:
  // Null `transport`: the operation is the driver's.
  explicit SocketAwaiter(Transport* transport = nullptr) noexcept : transport_(transport) {}
  ~SocketAwaiter() = default;

  bool submit_once();

  // After begin(): the rest of await_suspend where one operation of the driver is all there is to
  // do; gives what await_suspend gives.
  bool submit_operation();
  void completed() override;
  void stop() noexcept override;
  // Called once when the operation has ended, before the frame is resumed.
  virtual void ended() noexcept {}

 private:
  Transport* transport_;
};

}  // namespace clearway::detail
