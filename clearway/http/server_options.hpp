#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <clearway/http/limits.hpp>
#include <clearway/loop/time.hpp>

namespace clearway {
class TlsServerContext;
class TrustedProxies;
}  // namespace clearway

namespace clearway::http {

// What a server allows its clients. Every limit is finite.
struct ServerOptions {
  Limits limits = Limits::server();        // of heads: 400, 414, 431
  std::uint64_t body_limit = 1024 * 1024;  // bytes of a request's body: 413
  // From the first byte of a request to the end of its head: 408. Also for the first request of a
  // connection, from its beginning.
  Duration header_timeout = std::chrono::seconds(10);
  Duration body_timeout = std::chrono::seconds(30);   // without a byte of an awaited body: 408
  Duration write_timeout = std::chrono::seconds(30);  // without the client taking a byte: closed
  Duration idle_timeout = std::chrono::seconds(75);   // between two requests: closed
  // A client that has ended its side may have left, or only have nothing more to say: what a
  // handler that works for it may still take before it is cancelled.
  Duration half_closed_timeout = std::chrono::seconds(1);
  // What a cancelled or stopped server gives its running handlers before they are cancelled.
  Duration drain_timeout = std::chrono::seconds(10);
  // How long a closed connection may go on sending: it is read, so that the answer is not lost to a
  // reset.
  Duration linger_timeout = std::chrono::seconds(2);
  std::size_t connections = 100'000;  // at once; more wait to be accepted
  std::uint64_t requests_per_connection = 1'000'000;
  int backlog = 1024;       // of serve(app, "tcp:…")
  bool reuse_port = false;  // of serve(app, "tcp:…"): several processes may share the port
  // Speaks TLS; null: it does not, unless its endpoint says so. The server keeps a copy. A
  // connection's handshake has the header_timeout, together with its first request.
  const TlsServerContext* tls = nullptr;
  // Connections begin with a header of the PROXY protocol, which says who the client is and counts
  // from these only; null: they do not, unless its endpoint says so. The server keeps a copy.
  const TrustedProxies* proxies = nullptr;
  // Gets one line per request: `127.0.0.1 "GET /users/7 HTTP/1.1" 200 13 0.000102`: the peer, the
  // request line, the status, bytes of the body, seconds. Called on the loop; null: no log.
  void (*access_log)(std::string_view line) = nullptr;
};

static_assert(std::is_trivially_destructible_v<ServerOptions>);

}  // namespace clearway::http
