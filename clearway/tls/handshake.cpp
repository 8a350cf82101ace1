#include <clearway/tls/handshake.hpp>

#include <cerrno>

#include <fmt/format.h>
#include <clearway/net/deadline_operation.hpp>
#include <clearway/tls/core.hpp>
#include <clearway/tls/transport.hpp>

namespace clearway {

namespace {

void require_open(const Stream& stream) {
  if (!stream.is_open()) {
    throw NetError(NetPhase::handshake, "cannot start TLS on a stream that is closed", EBADF);
  }
  if (stream.transport() != nullptr) {
    throw UsageError(fmt::format("the stream to {} speaks TLS already", stream.peer().to_string()));
  }
}

// Moves the socket, and what has come from it already, into a transport that `make` makes of the
// handle.
template <class Make>
Stream with_transport(Stream& stream, Make make) {
  require_open(stream);
  const ReadBuffer early = stream.take_buffer();
  const Address peer = stream.peer();
  auto transport = std::unique_ptr<detail::TlsTransport, CloseTransport>(make(stream.handle()));
  static_cast<void>(stream.release());
  transport->engine().arrived(early.view());
  return {TransportPointer(std::move(transport)), peer};
}

Task<> shake_hands(Stream& stream, Duration allowed) {
  auto& transport = static_cast<detail::TlsTransport&>(*stream.transport());
  const Instant deadline = after(Loop::current().now(), allowed);
  const int code = co_await detail::DeadlineOperation::writable(transport, deadline);
  if (code == ETIMEDOUT) {
    const double seconds = std::chrono::duration<double>(allowed).count();
    throw TlsError(NetPhase::handshake, TlsReason::timed_out,
                   fmt::format("no TLS connection with {}: no handshake within {:.3g} s",
                               transport.who(), seconds),
                   code);
  }
  if (code != 0) transport.explain(NetPhase::handshake, code);
}

}  // namespace

Task<Stream> start_tls_client(Stream stream, std::string host, TlsClientContext context) {
  Stream secured = with_transport(stream, [&](Handle handle) {
    return new detail::TlsTransport(handle, stream.peer(), context.core(), host);
  });
  co_await shake_hands(secured, context.options().handshake_timeout);
  co_return std::move(secured);
}

Task<Stream> start_tls_server(Stream stream, TlsServerContext context) {
  Stream secured = with_transport(stream, [&](Handle handle) {
    return new detail::TlsTransport(handle, stream.peer(), context.core());
  });
  co_await shake_hands(secured, context.options().handshake_timeout);
  co_return std::move(secured);
}

Task<Stream> tls_connect(std::string host, std::uint16_t port, TlsClientContext context,
                         ConnectOptions options) {
  Stream stream = co_await connect(host, port, options);
  co_return co_await start_tls_client(std::move(stream), std::move(host), std::move(context));
}

}  // namespace clearway
