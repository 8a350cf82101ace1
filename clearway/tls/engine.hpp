#pragma once

// One side of one TLS connection without any socket: ciphertext goes in and comes out, plaintext
// likewise. Nothing here waits.

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <clearway/tls/error.hpp>
#include <clearway/tls/info.hpp>
#include <clearway/tls/openssl.hpp>

namespace clearway::detail {

class TlsClientCore;
class TlsServerCore;

// What went wrong, for a person.
struct TlsFailure {
  TlsFailure(TlsReason reason, std::string text) : reason(reason), text(std::move(text)) {}
  TlsReason reason;
  std::string text;
};

class TlsEngine {
 public:
  enum class Outcome {
    done,
    wants_input,
    ended,   // the peer has said goodbye
    failed,  // failure() says why
  };

  // `host` and `port` are what the program connects to; `seconds` is the time, since 1970.
  TlsEngine(std::shared_ptr<TlsClientCore> client, const std::string& host, std::uint16_t port,
            std::int64_t seconds);
  TlsEngine(std::shared_ptr<TlsServerCore> server, std::int64_t seconds);
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;
  ~TlsEngine();

  // The next ciphertext, which is copied; before the first, or after wants_input.
  void arrived(std::string_view ciphertext);
  // The socket gives nothing more.
  void end_input() noexcept { input_ended_ = true; }
  // Ciphertext for the peer; whoever sends it takes it.
  [[nodiscard]] std::string& output() noexcept { return output_; }

  Outcome handshake();
  [[nodiscard]] bool established() const noexcept { return established_; }
  // At least one byte when done; as many as are there.
  Outcome read(std::span<char> into, std::size_t& count);
  // Done when a read would be.
  Outcome peek();
  // All of it.
  Outcome write(std::string_view data);
  // Says that nothing more will be written; once.
  void say_goodbye() noexcept;

  // Null while all is well.
  [[nodiscard]] const TlsFailure* failure() const noexcept {
    return failure_ ? &*failure_ : nullptr;
  }
  // Nothing can be written any more either.
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  [[nodiscard]] TlsInfo info() const;

  // For OpenSSL's callbacks.
  [[nodiscard]] std::size_t take_input(std::span<char> into) noexcept;
  void note_certificate_problem(TlsFailure problem) { problem_ = std::move(problem); }
  void note_certificate_request() noexcept { certificate_requested_ = true; }
  [[nodiscard]] bool verifies() const noexcept;
  [[nodiscard]] const std::string& host() const noexcept { return host_; }
  void keep_session(SslSessionPointer session);
  [[nodiscard]] const TlsServerCore& server() const noexcept { return *server_; }

 private:
  void start(ssl_ctx_st* context, std::int64_t seconds);
  Outcome judge(int result);
  void fail(TlsFailure failure);
  [[nodiscard]] TlsFailure failure_of(unsigned long error) const;
  [[nodiscard]] TlsFailure failure_of_alert(int alert) const;
  [[nodiscard]] bool peer_speaks_tls() const noexcept;
  [[nodiscard]] TlsFailure not_tls() const;

  std::shared_ptr<TlsClientCore> client_;
  std::shared_ptr<TlsServerCore> server_;
  SslPointer ssl_;
  std::string host_;               // the name to be found in the certificate; a client's
  std::string session_key_;        // a client's
  std::unique_ptr<char[]> input_;  // while there is something in it
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string output_;
  std::string first_;  // bytes of the peer
  std::optional<TlsFailure> problem_;
  std::optional<TlsFailure> failure_;
  bool certificate_requested_ = false;
  bool input_ended_ = false;
  bool established_ = false;
  bool broken_ = false;
};

}  // namespace clearway::detail
