// OpenSSL's errors in words.

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <clearway/tls/core.hpp>
#include <clearway/tls/engine.hpp>

namespace clearway::detail {

namespace {

constexpr int alert_reasons = SSL_AD_REASON_OFFSET;

std::string_view version_text(TlsVersion version) noexcept {
  return version == TlsVersion::tls1_3 ? "1.3" : "1.2";
}

// An alert about a certificate of ours.
bool is_about_certificate(int alert) noexcept {
  return alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN;
}

}  // namespace

// A record begins with its type, 20 to 23, and the version 3.x (RFC 8446 section 5.1).
bool TlsEngine::peer_speaks_tls() const noexcept {
  if (first_.empty()) return true;
  if (first_[0] < 20 || first_[0] > 23) return false;
  return first_.size() < 2 || first_[1] == 3;
}

TlsFailure TlsEngine::not_tls() const {
  std::string shown;
  for (const char byte : first_) shown += byte >= 0x20 && byte < 0x7F ? byte : '.';
  if (client_ == nullptr) {
    return {TlsReason::not_tls,
            fmt::format("the client does not speak TLS (it began with \"{}\"): this is a TLS port",
                        shown)};
  }
  if (first_.starts_with("HTTP/")) {
    return {TlsReason::not_tls,
            "the server does not speak TLS here, it answered in plain HTTP: use http://, or the "
            "port on which it does"};
  }
  return {TlsReason::not_tls,
          fmt::format("the server does not speak TLS here (it began with \"{}\"): is it the right "
                      "port?",
                      shown)};
}

TlsFailure TlsEngine::failure_of_alert(int alert) const {
  const std::string name = SSL_alert_desc_string_long(alert);
  const bool is_client = client_ != nullptr;
  const bool shown = is_client && !client_->options().identity.empty();
  const bool missing = certificate_requested_ && !shown;
  if (alert == TLS13_AD_CERTIFICATE_REQUIRED ||
      (missing && (alert == SSL_AD_HANDSHAKE_FAILURE || is_about_certificate(alert)))) {
    return {TlsReason::client_certificate_required,
            "the server wants a certificate of the client, and none was given: set "
            "TlsClientOptions::identity"};
  }
  if (is_about_certificate(alert) || alert == SSL_AD_UNKNOWN_CA) {
    return {TlsReason::refused,
            is_client
                ? fmt::format("the server does not accept the client's certificate (alert \"{}\")",
                              name)
                : fmt::format("the client does not accept the server's certificate (alert \"{}\"): "
                              "it has to know the root that vouches for it, and the server has to "
                              "send the whole chain",
                              name)};
  }
  if (alert == SSL_AD_PROTOCOL_VERSION) {
    return {TlsReason::protocol_version,
            fmt::format("the peer speaks no version of TLS that is allowed here, {} or newer",
                        version_text(is_client ? client_->options().min_version
                                               : server_->options().min_version))};
  }
  if (alert == SSL_AD_NO_APPLICATION_PROTOCOL) {
    return {TlsReason::no_agreement, "the server speaks none of the protocols asked for (ALPN)"};
  }
  if (alert == SSL_AD_UNRECOGNIZED_NAME) {
    return {TlsReason::wrong_name, fmt::format("the server knows no host {}", host_)};
  }
  if (alert == SSL_AD_HANDSHAKE_FAILURE) {
    return {TlsReason::no_agreement,
            "the peer found no way to agree (alert \"handshake failure\"): no cipher or signature "
            "in common, or it wants a certificate"};
  }
  return {TlsReason::refused, fmt::format("the peer ended it with the alert \"{}\"", name)};
}

TlsFailure TlsEngine::failure_of(unsigned long error) const {
  if (!established_ && !peer_speaks_tls()) return not_tls();
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > alert_reasons) {
    return failure_of_alert(reason - alert_reasons);
  }
  const char* text = ERR_reason_error_string(error);
  switch (ERR_GET_LIB(error) == ERR_LIB_SSL ? reason : 0) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      if (problem_) return *problem_;
      break;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return {TlsReason::client_certificate_required,
              "the client showed no certificate, and this server requires one"};
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_WRONG_VERSION_NUMBER:
      return {
          TlsReason::protocol_version,
          fmt::format("the peer speaks no version of TLS that is allowed here, {} or newer ({})",
                      version_text(client_ != nullptr ? client_->options().min_version
                                                      : server_->options().min_version),
                      text == nullptr ? "" : text)};
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return {TlsReason::no_agreement, fmt::format("nothing in common with the peer: {}", text)};
    case 0:
      break;
    default:
      return {TlsReason::damaged,
              fmt::format("what came from the peer is damaged or breaks the protocol: {}",
                          text == nullptr ? "unknown error" : text)};
  }
  return {TlsReason::damaged,
          fmt::format("OpenSSL gave up: {}", text == nullptr ? "it does not say why" : text)};
}

}  // namespace clearway::detail
