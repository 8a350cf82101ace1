#pragma once

// Errors of TLS. what() names the problem, the peer, and what would help.

#include <string>
#include <string_view>

#include <clearway/net/error.hpp>

namespace clearway {

// Why there is no TLS connection, or no longer one.
enum class TlsReason {
  expired,         // the certificate, or one of its chain, is past its end
  not_yet_valid,   // or before its beginning
  self_signed,     // the certificate vouches for itself, and is not among the trusted roots
  unknown_issuer,  // the chain ends in a certificate whose issuer is not trusted
  wrong_name,      // the certificate is for other names
  wrong_purpose,   // the certificate is not for servers (or for clients), or an issuer's is no CA's
  bad_certificate,              // anything else that is wrong with it
  not_tls,                      // the peer speaks something else
  protocol_version,             // no version of TLS in common
  no_agreement,                 // no cipher, or no protocol (ALPN), in common
  client_certificate_required,  // the server wants to know who the client is
  refused,                      // the peer said no, for instance to our certificate
  truncated,                    // the stream ended without TLS's goodbye: bytes may be missing
  closed,                       // the connection ended in the middle of the handshake
  timed_out,                    // the handshake took too long
  damaged,                      // what came is not what was sent, or breaks the protocol
  configuration,                // a certificate or key of ours cannot be used
};

// "expired", "not_yet_valid", …
std::string_view to_string(TlsReason reason) noexcept;

// The connection exists, and TLS on it does not; or a certificate that we are to use is not usable.
class TlsError : public NetError {
 public:
  TlsError(NetPhase phase, TlsReason reason, const std::string& message, int code = 0);
  ~TlsError() override;
  [[nodiscard]] TlsReason reason() const noexcept { return reason_; }

 private:
  TlsReason reason_;
};

}  // namespace clearway
