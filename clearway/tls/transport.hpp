#pragma once

// TLS between a stream and its socket: takes the stream's operations, and has two of its own under
// way towards the driver, one that receives and one that sends ciphertext.
//
// What a cancelled operation of the stream leaves behind stays here: received ciphertext waits in
// the engine for the next read, and ciphertext whose plaintext counts as written goes on being
// sent.

#include <clearway/base/list.hpp>
#include <clearway/loop/loop.hpp>
#include <clearway/net/transport.hpp>
#include <clearway/tls/engine.hpp>

namespace clearway::detail {

struct TlsEndTag;
class TlsEnds;

class TlsTransport final : public Transport, public ListNode<TlsEndTag>, private Timer {
 public:
  // Take over the handle, a connected one of the running loop's driver. `host` is what the program
  // connects to.
  TlsTransport(Handle handle, const Address& peer, std::shared_ptr<TlsClientCore> client,
               const std::string& host);
  TlsTransport(Handle handle, const Address& peer, std::shared_ptr<TlsServerCore> server);

  // Also takes the kind writable, which is done when the handshake is.
  bool submit(Operation& operation) override;
  void cancel(Operation& operation) noexcept override;
  int shutdown_write() override;
  void close() noexcept override;
  void reset() noexcept override;
  void explain(NetPhase phase, int code) const override;
  [[nodiscard]] Handle handle() const noexcept override { return receiver_.handle; }

  [[nodiscard]] TlsEngine& engine() noexcept { return engine_; }
  // The peer as it stands in messages.
  [[nodiscard]] const std::string& who() const noexcept { return who_; }
  // For the end of the loop: waits for nothing more.
  void give_up() noexcept;

 private:
  class Part : public Operation {
   public:
    Part(TlsTransport& owner, Kind what, Handle on) noexcept : owner_(owner) {
      kind = what;
      handle = on;
    }

   protected:
    ~Part() = default;
    TlsTransport& owner_;
  };
  class Receiver final : public Part {
    using Part::Part;
    void completed() override { owner_.received(); }
  };
  class Sender final : public Part {
    using Part::Part;
    void completed() override { owner_.sent(); }
  };

  ~TlsTransport() override = default;

  bool submit_read(Operation& operation);
  bool submit_send(Operation& operation);
  bool attempt(Operation& operation);
  bool shake();
  bool receive();
  void take_received();
  void received();
  bool flush();
  void take_sent();
  void sent();
  void encrypt(Operation& operation);
  [[nodiscard]] int write_error() const noexcept;
  void move_on();
  void settle_reads(List<Operation>& waiting);
  void settle_writes();
  [[nodiscard]] bool needs_input() const noexcept;
  [[nodiscard]] bool failed() const noexcept { return handshake_error_ != 0; }
  [[nodiscard]] std::size_t backlog() noexcept;
  void end() noexcept;
  void end_if_done() noexcept;
  void expired() override { give_up(); }

  Loop& loop_;
  TlsEnds& ends_;
  TlsEngine engine_;
  std::string who_;
  Receiver receiver_;
  Sender sender_;
  iovec piece_{};
  std::string sending_;
  std::size_t sent_ = 0;   // of sending_
  std::size_t taken_ = 0;  // of the first writer: the plaintext that is in the ciphertext
  int input_error_ = 0;    // of the socket, negative
  int output_error_ = 0;
  int handshake_error_ = 0;
  bool goodbye_ = false;    // nothing more is written
  bool shut_down_ = false;  // and the socket knows
  bool closing_ = false;
  bool resets_ = false;
  bool ending_ = false;
  List<Operation> readers_;
  List<Operation> readables_;
  List<Operation> writers_;
  List<Operation> writables_;
};

}  // namespace clearway::detail
