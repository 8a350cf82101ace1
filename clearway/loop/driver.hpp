#pragma once

// What a loop asks of the world: time, sockets, and waiting. EpollDriver, UringDriver and
// SimulatedDriver give it. All calls come from the loop's thread, except wake().

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <clearway/loop/address.hpp>
#include <clearway/loop/operation.hpp>
#include <clearway/loop/time.hpp>

namespace clearway {

// What a socket of datagrams can be set to; of on and off unless it says otherwise.
enum class DatagramOption {
  reuse_address,       // several sockets may have the same port
  reuse_port,          // the same, and the kernel deals what comes out between them
  broadcast,           // may send to broadcast addresses
  multicast_loopback,  // what it sends to a group comes to this machine's members too
  multicast_hops,      // how many routers what it sends to a group may pass, plus one
  receive_buffer,      // bytes that the kernel keeps until they are received
  only_ipv6,           // takes no IPv4
};

class Driver {
 public:
  Driver() noexcept = default;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  virtual ~Driver() = default;

  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  // Simulated drivers have virtual time and no threads; see DESIGN in docs/design.md.
  [[nodiscard]] virtual bool simulated() const noexcept { return false; }

  [[nodiscard]] virtual Instant now() noexcept = 0;
  // Nanoseconds of the wall clock since 1970.
  [[nodiscard]] virtual std::int64_t wall_clock() noexcept = 0;
  // Random bits: from the operating system, or from the seed.
  virtual std::uint64_t random() noexcept = 0;

  // Waits until an operation completes, wake() is called or `deadline` passes, and completes what
  // there is. A deadline at or before now only polls.
  virtual void wait(Instant deadline) = 0;
  // From any thread and from signal handlers: makes a present or the next wait() return.
  virtual void wake() noexcept = 0;

  // Starts an operation. True: it is done, `result` is set, completed() is not called. False: it is
  // pending, completed() follows.
  virtual bool submit(Operation& operation) = 0;
  // Ends a pending operation early. completed() follows, now or later; what the operation had done
  // by then is its result.
  virtual void cancel(Operation& operation) noexcept = 0;

  // The synchronous part of sockets. Results are handles or 0, or a negative errno value.
  virtual Handle open_stream(int family) = 0;
  // Binds and listens; a TCP port of 0 picks one. `address` is updated to what was bound.
  virtual Handle listen(Address& address, int backlog, bool reuse_port) = 0;
  // Listens on a duplicate of a descriptor that listens already; `address` becomes where.
  virtual Handle adopt_listener(int descriptor, Address& address) = 0;
  virtual int local_address(Handle handle, Address& address) = 0;
  virtual int peer_address(Handle handle, Address& address) = 0;
  // `how` is SHUT_RD, SHUT_WR or SHUT_RDWR.
  virtual int shutdown(Handle handle, int how) = 0;
  // No operation may be pending on the handle.
  virtual void close(Handle handle) = 0;
  // Closes so that the peer sees a reset instead of an end.
  virtual void reset(Handle handle) = 0;
  virtual int set_no_delay(Handle handle, bool on) = 0;
  // A pair of connected streams within the process.
  virtual int stream_pair(Handle (&handles)[2]) = 0;

  // Datagrams, whose sockets never wait for a connection.
  virtual Handle open_datagram(int family) = 0;
  // `address` is updated to what was bound; port 0 picks one.
  virtual int bind_datagram(Handle handle, Address& address) = 0;
  // From now on it sends to, and receives from, `peer` only.
  virtual int connect_datagram(Handle handle, const Address& peer) = 0;
  virtual int set_datagram_option(Handle handle, DatagramOption option, int value) = 0;
  // Joins or leaves the multicast group on the interface with this number; 0: the system chooses.
  virtual int set_membership(Handle handle, const Address& group, unsigned interface,
                             bool member) = 0;
  // How many handles are open through this driver.
  [[nodiscard]] virtual std::size_t open_handles() const noexcept = 0;

  // Names the driver itself knows (the simulated world's); nullopt: ask the resolver.
  virtual std::optional<std::vector<Address>> lookup(std::string_view name) {
    (void)name;
    return std::nullopt;
  }
  // For a loop inside somebody else's, see task/guest.hpp. A descriptor that can be read when
  // wait() would find something; -1: this driver has none.
  [[nodiscard]] virtual int pollable() noexcept { return -1; }
  // Gets ready for the other loop to wait on pollable(), at most until `deadline`. Gives when it
  // must stop waiting: Instant::min() when there is something to do already.
  virtual Instant park(Instant deadline) { return deadline; }

  // What every pending task waits for when nothing can ever happen any more: only simulated
  // drivers can know. Called by Loop with no ready task and no timer.
  [[nodiscard]] virtual bool stuck() const noexcept { return false; }
};

// The driver of real programs; CLEARWAY_DRIVER=uring|epoll forces one. Throws SystemError.
std::unique_ptr<Driver> make_default_driver();

}  // namespace clearway
