#pragma once

// What may stand between a stream and its socket: a layer that turns the program's bytes into those
// of the network, as TLS does. A stream without one goes straight to the driver.
//
// A transport takes the stream's operations as the driver does, so that whoever holds an operation
// does not see the difference, and works with operations of its own towards the driver.

#include <memory>

#include <clearway/loop/operation.hpp>
#include <clearway/net/error.hpp>

namespace clearway {

class Transport {
 public:
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // As Driver::submit, for the kinds receive, send and readable. `readable` is done when a receive
  // would give bytes, the end, or an error. A send is done when the kernel has taken what the bytes
  // became.
  virtual bool submit(Operation& operation) = 0;
  // As Driver::cancel, and completed() has been called when this returns. A send whose bytes cannot
  // be taken back has their count as its result: they go on in the background, before later ones.
  virtual void cancel(Operation& operation) noexcept = 0;
  // Nothing more will be sent. Gives 0 or a negative errno value; what is on its way goes first.
  virtual int shutdown_write() = 0;
  // Ends the connection: close() says goodbye to the peer if that can be done without waiting,
  // reset() does not. No operation may be pending. The transport owns the socket: it closes it, and
  // destroys itself, when the driver has let go of its own operations.
  virtual void close() noexcept = 0;
  virtual void reset() noexcept = 0;
  // Throws the error behind an operation's negative result, where there is more to say than an
  // errno value; returns otherwise. `code` is that value, positive.
  virtual void explain(NetPhase phase, int code) const = 0;
  [[nodiscard]] virtual Handle handle() const noexcept = 0;

 protected:
  Transport() noexcept = default;
  virtual ~Transport() = default;
};

// Ends a transport that nobody holds any more.
struct CloseTransport {
  void operator()(Transport* transport) const noexcept { transport->close(); }
};
using TransportPointer = std::unique_ptr<Transport, CloseTransport>;

}  // namespace clearway
