#pragma once

// Where a client connects, as one line of text.

#include <memory>
#include <optional>
#include <string>

#include <clearway/endpoint/description.hpp>
#include <clearway/net/connect.hpp>
#include <clearway/tls/context.hpp>

namespace clearway {

// The kinds, in capitals or not, with their arguments in the order of their positions:
//   tcp:HOST:PORT:timeout:bindAddress
//   tls:HOST:PORT:timeout:bindAddress:certificate:privateKey:trustRoots:endpoint
//       The certificate must be HOST's. trustRoots is a folder of roots. endpoint is where to
//       connect instead, itself an endpoint (quoted): HOST then only says who must answer there
//   ssl:HOST:PORT:privateKey:certKey:caCertsDir:hostname:timeout:bindAddress
//       The older spelling of tls; hostname is whose certificate it must be, HOST without it
//   unix:PATH:timeout:lockfile
// timeout is in seconds, 30 by default, for connecting; bindAddress is the address to come from.
// See quote_endpoint() for paths and IPv6 addresses.
class ClientEndpoint {
 public:
  // Reads certificates, which blocks for a moment. Throws UsageError, which shows the column, and
  // TlsError for certificates that cannot be used. `options` holds for what the text does not say.
  explicit ClientEndpoint(const std::string& text, const ConnectOptions& options = {});
  ClientEndpoint(ClientEndpoint&& other) noexcept;
  ClientEndpoint& operator=(ClientEndpoint&& other) noexcept;
  ~ClientEndpoint();

  // Connects; what connect() and tls_connect() throw. Any number of times, also at once. The
  // endpoint must live as long.
  [[nodiscard]] Task<Stream> connect() const;

 private:
  void read_tcp(const detail::EndpointDescription& description);
  void read_unix(const detail::EndpointDescription& description);
  void read_ssl(const detail::EndpointDescription& description);
  void read_tls(const detail::EndpointDescription& description);
  void read_common(const detail::EndpointArguments& arguments);
  void use(const detail::EndpointDescription& description, std::size_t column,
           const TlsClientOptions& options);

  std::string host_;  // or the path
  std::uint16_t port_ = 0;
  bool unix_ = false;
  ConnectOptions options_;
  std::optional<TlsClientContext> tls_;
  std::unique_ptr<ClientEndpoint> carrier_;  // connects in its place
};

// The same for one connection.
Task<Stream> connect_endpoint(std::string text, ConnectOptions options = {});

}  // namespace clearway
