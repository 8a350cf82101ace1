#pragma once

// What is behind the contexts.

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include <clearway/tls/openssl.hpp>
#include <clearway/tls/options.hpp>

namespace clearway::detail {

// A client's, and the sessions that it may resume.
class TlsClientCore {
 public:
  explicit TlsClientCore(const TlsClientOptions& options);
  TlsClientCore(const TlsClientCore&) = delete;
  TlsClientCore& operator=(const TlsClientCore&) = delete;
  ~TlsClientCore() = default;

  [[nodiscard]] const TlsClientOptions& options() const noexcept { return options_; }
  [[nodiscard]] ssl_ctx_st* ssl() const noexcept { return ssl_.get(); }

  // `server` is a name and a port.
  void keep_session(const std::string& server, SslSessionPointer session);
  // Null when there is none. Those of TLS 1.3 are given once (RFC 8446 section C.4).
  SslSessionPointer take_session(const std::string& server);

 private:
  static constexpr std::size_t sessions_per_server = 4;
  static constexpr std::size_t most_servers = 256;

  const TlsClientOptions options_;
  SslContextPointer ssl_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::vector<SslSessionPointer>> sessions_;
};

// A server's certificates by name, from a folder.
class TlsDirectory;

class TlsServerCore {
 public:
  explicit TlsServerCore(const TlsServerOptions& options);
  TlsServerCore(const TlsServerCore&) = delete;
  TlsServerCore& operator=(const TlsServerCore&) = delete;
  ~TlsServerCore();

  [[nodiscard]] const TlsServerOptions& options() const noexcept { return options_; }
  [[nodiscard]] ssl_ctx_st* ssl() const noexcept { return ssl_.get(); }
  // The protocols as they stand in the handshake: each after its length (RFC 7301 section 3.1).
  [[nodiscard]] const std::string& alpn() const noexcept { return alpn_; }
  // Null where there is one identity for all.
  [[nodiscard]] TlsDirectory* directory() const noexcept { return directory_.get(); }

 private:
  const TlsServerOptions options_;
  std::string alpn_;
  SslContextPointer ssl_;
  std::unique_ptr<TlsDirectory> directory_;
};

// Throws TlsError with reason configuration.
void use_identity(ssl_ctx_st* context, const TlsIdentity& identity);
void use_roots(ssl_ctx_st* context, const TlsRoots& roots);
std::string alpn_list(const std::vector<std::string>& protocols);

}  // namespace clearway::detail
