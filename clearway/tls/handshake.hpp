#pragma once

// TLS on streams: what comes out is a Stream like any other, encrypted.
//
//   Stream stream = co_await tls_connect("example.com", 443);
//   co_await stream.write("GET / HTTP/1.0\r\n\r\n");
//
// Beyond what a Stream does: shutdown_write() and close() say goodbye to the peer (close_notify),
// close() without waiting for it. A stream that ends without the peer's goodbye may have been cut
// short by somebody in between: that is a TlsError with reason truncated, not an end. A cancelled
// write that had begun goes out whole.

#include <cstdint>
#include <string>

#include <clearway/net/connect.hpp>
#include <clearway/net/stream.hpp>
#include <clearway/tls/context.hpp>
#include <clearway/tls/error.hpp>
#include <clearway/tls/info.hpp>

namespace clearway {

// Connects to `host`, and makes sure that it is who answers. What connect() throws, and TlsError.
Task<Stream> tls_connect(std::string host, std::uint16_t port,
                         TlsClientContext context = TlsClientContext::standard(),
                         ConnectOptions options = {});

// Speaks TLS as the client on a stream that is connected, from now on (STARTTLS). `host` is the
// server's name, which its certificate must have. TlsError with phase handshake; the stream is then
// closed. Cancelled: the same.
Task<Stream> start_tls_client(Stream stream, std::string host,
                              TlsClientContext context = TlsClientContext::standard());

// The same as the server.
Task<Stream> start_tls_server(Stream stream, TlsServerContext context);

}  // namespace clearway
