#pragma once

// Pipes and other descriptors that are not sockets, behind a stream: the kernel is asked first, and
// the driver waits when it has nothing.

#include <string>

#include <clearway/base/descriptor.hpp>
#include <clearway/loop/operation.hpp>
#include <clearway/net/stream.hpp>

namespace clearway {

// A stream over descriptors that can be polled (pipes, terminals, FIFOs); they are made
// non-blocking. Either may be absent: a stream that is only read, or only written. `name` is how
// errors call it. Throws SystemError for what cannot be polled.
Stream pipe_stream(Descriptor input, Descriptor output, std::string name);

namespace detail {

class PipeTransport final : public Transport {
 public:
  PipeTransport(Descriptor input, Descriptor output, std::string name) noexcept;

  bool submit(Operation& operation) override;
  void cancel(Operation& operation) noexcept override;
  int shutdown_write() override;
  void close() noexcept override;
  void reset() noexcept override { close(); }
  void explain(NetPhase phase, int code) const override;
  [[nodiscard]] Handle handle() const noexcept override;

 private:
  // One direction: the stream's operation that waits, and ours that waits at the driver for it.
  class Side final : public Operation {
   public:
    Side(PipeTransport& pipe, Descriptor descriptor, Kind kind) noexcept;
    bool submit(Operation& operation);
    void cancel(Operation& operation) noexcept;
    void give_up() noexcept;
    Descriptor descriptor;

   private:
    bool attempt(Operation& operation) const;
    void completed() override;
    PipeTransport& pipe_;
    Operation* waiting_ = nullptr;
  };

  ~PipeTransport() = default;
  void end_if_idle() noexcept;

  Side input_;
  Side output_;
  std::string name_;
  bool closing_ = false;
};

}  // namespace detail
}  // namespace clearway
