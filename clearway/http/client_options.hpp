#pragma once

#include <clearway/http/limits.hpp>
#include <clearway/loop/time.hpp>

#include <cstddef>
#include <cstdint>

namespace clearway {
class TlsClientContext;
}

namespace clearway::http {

/// How long a client waits, and for what. All are finite: a peer that says nothing must not hold a
/// task for ever. `Duration::max()` switches one off.
struct ClientTimeouts {
  /// The whole request: waiting for a connection, redirects, and reading the body.
  Duration total = std::chrono::seconds(300);
  /// For a free connection, when the session's limit is reached.
  Duration pool = std::chrono::seconds(300);
  /// Finding the host's addresses, connecting to one of them, and the handshake of https.
  Duration connect = std::chrono::seconds(30);
  /// Between two arrivals of bytes; the first wait is for the answer's beginning.
  Duration read = std::chrono::seconds(60);
  /// Until the peer has taken the next 256 KB of the request.
  Duration write = std::chrono::seconds(60);
};

/// What a `Session` does unless told otherwise.
struct SessionOptions {
  std::size_t limit = 100;                   ///< connections in all; 0: no limit
  std::size_t per_host = 0;                  ///< connections to one origin; 0: no limit
  Duration idle = std::chrono::seconds(15);  ///< how long an unused connection is kept
  ClientTimeouts timeouts = {};
  int max_redirects = 10;                       ///< 0: a redirect is an answer like any other
  bool decompress = true;                       ///< asks for gzip and deflate, and undoes them
  std::uint64_t max_body = 64ull << 20;         ///< for json(), text() and bytes(): bytes
  std::uint64_t max_decompressed = 1ull << 30;  ///< for read(): bytes out of a compressed body
  Limits limits = Limits::client();             ///< of the answer's head
  /// For https: roots, client certificate; null: the system's roots. The session keeps a copy.
  const TlsClientContext* tls = nullptr;
};

}  // namespace clearway::http
