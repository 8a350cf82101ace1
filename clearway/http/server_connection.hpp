#pragma once

// A connection of the server, as it is while nothing happens on it: one record with a pending
// receive and a timer, without coroutine and without buffer. Its receive goes into memory that all
// connections share; with the first byte it borrows an ServerExchange, whose coroutine answers
// requests until there are none, and is an idle record again.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <clearway/base/list.hpp>
#include <clearway/loop/loop.hpp>
#include <clearway/net/transport.hpp>
#include <clearway/task/promise.hpp>

namespace clearway {
struct TlsInfo;
}

namespace clearway::http::detail {

class ServerExchange;
class ServerCore;

class ServerConnection final : public ListNode<ServerConnection>,
                               public Completion,
                               private Operation,
                               private Ready,
                               private Timer {
 public:
  static void* operator new(std::size_t size) { return frame_memory::allocate(size); }
  static void operator delete(void* block, std::size_t size) noexcept {
    frame_memory::release(block, size);
  }

  ServerConnection(ServerCore& core, Handle handle, const Address& peer);
  // The record of a server that is destroyed while it runs closes at once.
  ~ServerConnection();

  [[nodiscard]] ServerCore& core() const noexcept { return core_; }
  [[nodiscard]] Handle handle() const noexcept { return Operation::handle; }
  [[nodiscard]] const Address& peer() const noexcept { return peer_; }
  [[nodiscard]] bool closing() const noexcept { return closing_; }
  [[nodiscard]] std::uint32_t count_request() noexcept { return ++requests_; }

  // Waits for bytes, unless it does already.
  void receive();
  // Frees the record when the driver has let go of it.
  void close() noexcept;
  // For a server that stops.
  void close_if_idle() noexcept;
  // Has run() called, soon.
  void enqueue() noexcept;

  // One deadline, for whatever the connection does now. Setting it costs little: the timer is only
  // touched when it would fire too late.
  void set_deadline(Instant deadline) noexcept;
  void set_deadline_in(Duration length) noexcept;
  // For its output.
  void sent() noexcept;

  [[nodiscard]] bool secured() const noexcept { return transport_ != nullptr; }
  [[nodiscard]] std::optional<TlsInfo> tls() const;
  // To the socket, through TLS if that is spoken.
  bool submit(Operation& operation);
  void cancel(Operation& operation) noexcept;
  void shutdown_write();

  PromiseBase* finished(PromiseBase& child) noexcept override;
  [[nodiscard]] PromiseBase* waiting_frame() const noexcept override;

 private:
  void secure();
  void take_greeting();
  void refuse_greeting(std::string_view problem);
  void become_idle();
  void begin_exchange();
  void note_failure() const;
  void completed() override;
  void run() override;
  void expired() override;

  ServerCore& core_;
  ServerExchange* exchange_ = nullptr;  // null while idle
  Instant deadline_ = never;
  std::uint32_t requests_ = 0;
  bool queued_ = false;
  bool closing_ = false;
  TransportPointer transport_;  // null without TLS
  // What has come of the PROXY header; null when none is awaited.
  std::unique_ptr<std::string> greeting_;
  Address peer_;
};

static_assert(sizeof(ServerConnection) <= 384, "an idle connection costs little memory");

}  // namespace clearway::http::detail
