#pragma once

// Two ends of a TLS connection, in many simulated worlds and on the real driver.

#include <functional>
#include <string>

#include <gtest/gtest.h>
#include <clearway/tls.hpp>
#include <tests/net/both.hpp>
#include <tests/support/certificates.hpp>
#include <tests/support/worlds.hpp>

namespace clearway::tls_tests {

using clearway::tests::Certificate;
using clearway::tests::CertificateRequest;
using clearway::tests::test_certificate;
using clearway::tests::test_root;
using net_tests::Connected;
using net_tests::connected;
using net_tests::exhaust;
using net_tests::over_both;

inline TlsServerOptions server_options(const Certificate& certificate = test_certificate()) {
  TlsServerOptions options;
  options.identity.certificate_pem = certificate.pem();
  options.identity.key_pem = certificate.key_pem();
  return options;
}

inline TlsClientOptions client_options(const Certificate& root = test_root()) {
  TlsClientOptions options;
  options.roots.pem = root.pem();
  return options;
}

// A context for all tests that need nothing special.
inline const TlsServerContext& plain_server() {
  static const TlsServerContext context(server_options());
  return context;
}

inline TlsClientContext fresh_client() { return TlsClientContext(client_options()); }

struct Pair {
  Pair() = default;
  Stream client;
  Stream server;
};

inline Task<> shake_server(Stream raw, TlsServerContext context, Stream& out) {
  out = co_await start_tls_server(std::move(raw), context);
}
inline Task<> shake_client(Stream raw, TlsClientContext context, std::string host, Stream& out) {
  out = co_await start_tls_client(std::move(raw), host, context);
}

// Both ends, after a handshake that works.
inline Task<Pair> secured_at(Listener& listener, TlsClientContext client, TlsServerContext server) {
  Stream one = co_await connect(listener.address());
  Stream other = co_await listener.accept();
  Pair pair;
  co_await gather(shake_client(std::move(one), client, "localhost", pair.client),
                  shake_server(std::move(other), server, pair.server));
  co_return pair;
}
inline Task<Pair> secured(TlsClientContext client, TlsServerContext server = plain_server()) {
  Listener listener = listen("127.0.0.1", 0);
  co_return co_await secured_at(listener, client, server);
}

// What went wrong at either end of a handshake.
struct Outcome {
  Outcome() = default;
  std::string client;
  std::string server;
  std::optional<TlsReason> client_reason;
  std::optional<TlsReason> server_reason;
};

inline Task<> try_server(Stream raw, TlsServerContext context, Outcome& outcome) {
  try {
    Stream stream = co_await start_tls_server(std::move(raw), context);
    // A client that does not like what it saw says so with the next bytes.
    const std::optional<std::string> more = co_await stream.read_some();
    EXPECT_EQ(more, std::nullopt);
    co_await stream.shutdown_write();
  } catch (const TlsError& error) {
    outcome.server = error.what();
    outcome.server_reason = error.reason();
  }
}

inline Task<> try_client(Stream raw, TlsClientContext context, std::string host, Outcome& outcome) {
  try {
    Stream stream = co_await start_tls_client(std::move(raw), host, context);
    co_await stream.shutdown_write();
    const std::optional<std::string> more = co_await stream.read_some();
    EXPECT_EQ(more, std::nullopt);
  } catch (const TlsError& error) {
    outcome.client = error.what();
    outcome.client_reason = error.reason();
  }
}

inline Task<Outcome> outcome_of(TlsClientContext client, TlsServerContext server,
                                std::string host = "localhost") {
  Connected ends = co_await connected();
  Outcome outcome;
  co_await gather(try_client(std::move(ends.client), client, host, outcome),
                  try_server(std::move(ends.server), server, outcome));
  co_return outcome;
}

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace clearway::tls_tests
