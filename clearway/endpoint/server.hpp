#pragma once

// Where a server listens, as one line of text that a program gets from its configuration.
//
//   ServerEndpoint endpoint = listen_endpoint("ssl:4443:privateKey=key.pem:certKey=cert.pem");
//   for (;;) {
//     Stream stream = co_await endpoint.listener.accept();
//     group.start(talk, endpoint_of_the_task, std::move(stream));
//   }
//   // in talk(): stream = co_await endpoint.welcome(std::move(stream));
//
// http::serve() takes the same text.

#include <optional>
#include <string>
#include <vector>

#include <clearway/endpoint/description.hpp>
#include <clearway/endpoint/proxy_header.hpp>
#include <clearway/net/listener.hpp>
#include <clearway/task/task.hpp>
#include <clearway/tls/context.hpp>

namespace clearway {

// What the text does not say.
struct EndpointOptions {
  EndpointOptions() = default;

  ListenOptions listen;           // a `backlog` in the text wins
  std::vector<std::string> alpn;  // what is spoken inside TLS
};

struct ServerEndpoint {
  explicit ServerEndpoint(Listener listener) : listener(std::move(listener)) {}

  // What comes between accept() and the protocol: the header of a PROXY endpoint, within 5 seconds,
  // and the handshake of TLS. In a task per connection, so that a slow client keeps nobody waiting.
  // Gives the stream to speak on, whose peer() is the client that a proxy names. NetError with
  // phase handshake when that fails; the stream is closed then. Cancelled: the same. The endpoint
  // must live as long.
  Task<Stream> welcome(Stream stream) const;

  Listener listener;
  std::optional<TlsServerContext> tls;    // where connections begin with a handshake
  std::optional<TrustedProxies> proxies;  // where they begin with a PROXY header
};

// Listens where `text` says. The kinds, in capitals or not, with their arguments in the order of
// their positions:
//   tcp:PORT:interface:backlog       IPv4; interface is an address, by default all of them
//   tcp6:PORT:backlog:interface      IPv6
//   unix:PATH:mode:backlog:lockfile  a Unix socket; "@" or a zero byte first: abstract. mode is
//                                    octal; lockfile is accepted: a stale socket is known anyway
//   ssl:PORT:privateKey:certKey:sslmethod:interface:backlog:extraCertChain:clientCA
//                                    as tcp, with TLS. certKey holds the chain, our own certificate
//                                    first; without it the key's file does. extraCertChain holds
//                                    what the chain lacks. With clientCA, clients must show a
//                                    certificate that one of its roots vouches for
//   tls:PATH:port:backlog:interface:clientCA
//                                    as tcp6, with a folder of certificates: see
//                                    TlsServerOptions::directory
//   systemd:domain=INET:index=0      a socket that systemd has passed, or name=NAME; domain is
//                                    INET, INET6 or UNIX
//   fd:fileno=5:domain=INET          a socket that any parent has passed
//   haproxy:proxies=LIST:ENDPOINT    whatever endpoint behind a balancer that speaks the PROXY
//                                    protocol; see TrustedProxies for the list, without which
//                                    everybody is believed
// "\" takes away the meaning of a colon, "=" or "\" after it; see quote_endpoint().
// Throws UsageError, which shows the column, for anything else; NetError when it cannot listen;
// TlsError for certificates that cannot be used.
ServerEndpoint listen_endpoint(const std::string& text, const EndpointOptions& options = {});

}  // namespace clearway
