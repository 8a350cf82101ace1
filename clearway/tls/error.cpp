#include <clearway/tls/error.hpp>

namespace clearway {

std::string_view to_string(TlsReason reason) noexcept {
  switch (reason) {
    case TlsReason::expired:
      return "expired";
    case TlsReason::not_yet_valid:
      return "not_yet_valid";
    case TlsReason::self_signed:
      return "self_signed";
    case TlsReason::unknown_issuer:
      return "unknown_issuer";
    case TlsReason::wrong_name:
      return "wrong_name";
    case TlsReason::wrong_purpose:
      return "wrong_purpose";
    case TlsReason::bad_certificate:
      return "bad_certificate";
    case TlsReason::not_tls:
      return "not_tls";
    case TlsReason::protocol_version:
      return "protocol_version";
    case TlsReason::no_agreement:
      return "no_agreement";
    case TlsReason::client_certificate_required:
      return "client_certificate_required";
    case TlsReason::refused:
      return "refused";
    case TlsReason::truncated:
      return "truncated";
    case TlsReason::closed:
      return "closed";
    case TlsReason::timed_out:
      return "timed_out";
    case TlsReason::damaged:
      return "damaged";
    case TlsReason::configuration:
      return "configuration";
  }
  return "";
}

TlsError::TlsError(NetPhase phase, TlsReason reason, const std::string& message, int code)
    : NetError(phase, message, code), reason_(reason) {}
TlsError::~TlsError() = default;

}  // namespace clearway
