#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <clearway/loop/time.hpp>

namespace clearway {

// The versions of TLS that are spoken; the older ones are not secure any more (RFC 8996).
enum class TlsVersion { tls1_2, tls1_3 };

// A certificate chain, our own first, and its private key, in PEM form: as files, or as text. Both
// empty: none. One file may hold both.
struct TlsIdentity {
  TlsIdentity() = default;
  TlsIdentity(std::string certificate_file, std::string key_file)
      : certificate_file(std::move(certificate_file)), key_file(std::move(key_file)) {}

  std::string certificate_file;
  std::string key_file;
  std::string certificate_pem;
  std::string key_pem;
  // More of the chain, where that of the certificate is not whole.
  std::string chain_file;

  [[nodiscard]] bool empty() const noexcept {
    return certificate_file.empty() && certificate_pem.empty();
  }
};

// Certificates that are trusted to vouch for others: any of a file, all files of a folder, and
// text, in PEM form. All empty: those of the system (/etc/ssl/certs, or where SSL_CERT_FILE and
// SSL_CERT_DIR say).
struct TlsRoots {
  TlsRoots() = default;

  std::string file;
  std::string directory;
  std::string pem;

  [[nodiscard]] bool empty() const noexcept {
    return file.empty() && directory.empty() && pem.empty();
  }
};

// How a client connects.
struct TlsClientOptions {
  TlsClientOptions() = default;

  // Without it anybody may be at the other end: for experiments only.
  bool verify = true;
  TlsRoots roots;
  // Shown to servers that ask for it.
  TlsIdentity identity;
  // What to speak inside, the preferred first (RFC 7301): "http/1.1". Empty: nothing is said.
  std::vector<std::string> alpn;
  // The name to ask for (SNI) and to find in the certificate; empty: the host connected to.
  std::string server_name;
  TlsVersion min_version = TlsVersion::tls1_2;
  Duration handshake_timeout = std::chrono::seconds(30);
};

// Whether a server asks its clients for certificates.
enum class ClientCertificates {
  none,
  optional,  // one that is shown must be good
  required,
};

// How a server presents itself.
struct TlsServerOptions {
  TlsServerOptions() = default;

  TlsIdentity identity;
  // Instead: a folder of files that end in .pem, each with a certificate chain and its private key.
  // A client gets the one for the name that it asks for (SNI): the exact name before a wildcard,
  // and the first in the order of the alphabet when there is none. What has changed in the folder
  // counts within seconds; while it is not whole, the last that was remains, and the log says why.
  std::string directory;
  ClientCertificates client_certificates = ClientCertificates::none;
  // Who may vouch for clients; must not be empty if they are asked.
  TlsRoots client_roots;
  // What is spoken inside, the preferred first. A client that says what it speaks, and has none of
  // these, is refused. Empty: whatever.
  std::vector<std::string> alpn;
  TlsVersion min_version = TlsVersion::tls1_2;
  Duration handshake_timeout = std::chrono::seconds(10);
};

}  // namespace clearway
