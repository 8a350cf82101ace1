#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <clearway/net/stream.hpp>

namespace clearway {

// What a certificate says.
struct TlsCertificate {
  TlsCertificate() = default;

  std::string subject;             // "CN=example.com,O=Example" (RFC 2253)
  std::string issuer;              // the same
  std::vector<std::string> names;  // host names and addresses it is for
  std::chrono::sys_seconds not_before{};
  std::chrono::sys_seconds not_after{};
};

// What was agreed upon.
struct TlsInfo {
  TlsInfo() = default;

  std::string version;  // "TLSv1.3"
  std::string cipher;   // "TLS_AES_256_GCM_SHA384"
  std::string alpn;     // "http/1.1"; empty when nothing was said
  bool resumed = false;
  std::optional<TlsCertificate> peer;  // nullopt when it has shown none
};

// About a stream that speaks TLS; throws UsageError for others.
TlsInfo tls_info(const Stream& stream);
// Whether it does.
[[nodiscard]] bool is_tls(const Stream& stream) noexcept;

}  // namespace clearway
