#include <clearway/tls/context.hpp>

#include <array>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <clearway/tls/certificate.hpp>
#include <clearway/tls/core.hpp>
#include <clearway/tls/directory.hpp>
#include <clearway/tls/engine.hpp>
#include <clearway/tls/error.hpp>

namespace clearway {

namespace detail {

void FreeTls::operator()(ssl_st* ssl) const noexcept { SSL_free(ssl); }
void FreeTls::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }
void FreeTls::operator()(ssl_session_st* session) const noexcept { SSL_SESSION_free(session); }

namespace {

SslContextPointer make_context(const SSL_METHOD* method, TlsVersion least) {
  SslContextPointer context(SSL_CTX_new(method));
  if (context == nullptr) throw std::bad_alloc();
  SSL_CTX_set_min_proto_version(context.get(),
                                least == TlsVersion::tls1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // Buffers are given back while nothing is in them: an idle connection costs little. The chain is
  // what its file holds: OpenSSL would look for one, and verify it, in every handshake.
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY | SSL_MODE_NO_AUTO_CHAIN);
  return context;
}

TlsEngine* engine_of(const SSL* ssl) { return static_cast<TlsEngine*>(SSL_get_app_data(ssl)); }

// Gives 1 when the session is kept.
int keep_new_session(SSL* ssl, SSL_SESSION* session) {
  TlsEngine* engine = engine_of(ssl);
  if (engine == nullptr) return 0;
  engine->keep_session(SslSessionPointer(session));
  return 1;
}

int note_certificate_request(SSL* ssl, void*) {
  if (TlsEngine* engine = engine_of(ssl)) engine->note_certificate_request();
  return 1;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned offered_length, void* server) {
  const std::string& ours = static_cast<const TlsServerCore*>(server)->alpn();
  unsigned char* found = nullptr;
  const int outcome =
      SSL_select_next_proto(&found, length, reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned>(ours.size()), offered, offered_length);
  *chosen = found;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Called when the client has said which server it wants. Gives 1 when there is a certificate.
int choose_identity(SSL* ssl, void* server) {
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  try {
    static_cast<const TlsServerCore*>(server)->directory()->present(ssl,
                                                                    name == nullptr ? "" : name);
    return 1;
  } catch (const std::exception&) {
    return 0;
  }
}

using TicketKeys = std::array<unsigned char, 80>;  // a name, a key for HMAC, one for AES

// One set for the process: workers have a context each, and a client that comes back may meet any.
TicketKeys& ticket_keys() {
  static TicketKeys keys = [] {
    TicketKeys fresh;
    if (RAND_priv_bytes(fresh.data(), fresh.size()) != 1) {
      throw TlsError(NetPhase::handshake, TlsReason::configuration,
                     "OpenSSL has no random numbers for the keys of session tickets");
    }
    return fresh;
  }();
  return keys;
}

// Clients resume with tickets, which keep no memory here; at servers of the same certificate only.
// One that asks for client certificates has keys of its own: a session says that its client was
// trusted once, and a new context may not trust it any more.
void give_tickets(SSL_CTX* context, const TlsServerOptions& options) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (options.client_certificates == ClientCertificates::none) {
    TicketKeys& keys = ticket_keys();
    SSL_CTX_set_tlsext_ticket_keys(context, keys.data(), keys.size());
  }
  const TlsIdentity& identity = options.identity;
  const std::string server = fmt::format("{}\n{}\n{}", identity.certificate_file, options.directory,
                                         identity.certificate_pem);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(server.data()), server.size(), digest.data());
  SSL_CTX_set_session_id_context(context, digest.data(), digest.size());
}

}  // namespace

TlsServerCore::~TlsServerCore() = default;

TlsClientCore::TlsClientCore(const TlsClientOptions& options)
    : options_(options), ssl_(make_context(TLS_client_method(), options.min_version)) {
  SSL_CTX* context = ssl_.get();
  if (options.verify) use_roots(context, options.roots);
  if (!options.identity.empty()) use_identity(context, options.identity);
  SSL_CTX_set_verify(context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                     judge_certificate);
  if (const std::string alpn = alpn_list(options.alpn); !alpn.empty()) {
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(alpn.data()),
                            static_cast<unsigned>(alpn.size()));
  }
  SSL_CTX_set_cert_cb(context, note_certificate_request, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_new_session);
}

void TlsClientCore::keep_session(const std::string& server, SslSessionPointer session) {
  const std::lock_guard lock(mutex_);
  if (sessions_.size() >= most_servers && !sessions_.contains(server)) {
    sessions_.erase(sessions_.begin());
  }
  std::vector<SslSessionPointer>& known = sessions_[server];
  if (known.size() >= sessions_per_server) known.erase(known.begin());
  known.push_back(std::move(session));
}

SslSessionPointer TlsClientCore::take_session(const std::string& server) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(server);
  if (found == sessions_.end()) return nullptr;
  std::vector<SslSessionPointer>& known = found->second;
  SSL_SESSION* latest = known.back().get();
  const bool again = SSL_SESSION_get_protocol_version(latest) < TLS1_3_VERSION;
  if (again) {
    SSL_SESSION_up_ref(latest);
    return SslSessionPointer(latest);
  }
  SslSessionPointer session = std::move(known.back());
  known.pop_back();
  if (known.empty()) sessions_.erase(found);
  return session;
}

TlsServerCore::TlsServerCore(const TlsServerOptions& options)
    : options_(options),
      alpn_(alpn_list(options.alpn)),
      ssl_(make_context(TLS_server_method(), options.min_version)) {
  SSL_CTX* context = ssl_.get();
  if (options.identity.empty() == options.directory.empty()) {
    throw TlsError(NetPhase::handshake, TlsReason::configuration,
                   "a TLS server needs a certificate and its private key "
                   "(TlsServerOptions::identity), or a folder of them (directory)");
  }
  if (options.directory.empty()) {
    use_identity(context, options.identity);
  } else {
    directory_ = std::make_unique<TlsDirectory>(options.directory);
    SSL_CTX_set_cert_cb(context, choose_identity, this);
  }
  if (options.client_certificates != ClientCertificates::none) {
    if (options.client_roots.empty()) {
      throw TlsError(NetPhase::handshake, TlsReason::configuration,
                     "a server that asks for client certificates needs to know who may vouch for "
                     "clients (TlsServerOptions::client_roots)");
    }
    use_roots(context, options.client_roots);
    const bool required = options.client_certificates == ClientCertificates::required;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       judge_certificate);
  }
  if (!alpn_.empty()) SSL_CTX_set_alpn_select_cb(context, choose_protocol, this);
  give_tickets(context, options);
}

}  // namespace detail

TlsClientContext::TlsClientContext() : TlsClientContext(TlsClientOptions()) {}
TlsClientContext::TlsClientContext(const TlsClientOptions& options)
    : core_(std::make_shared<detail::TlsClientCore>(options)) {}

const TlsClientContext& TlsClientContext::standard() {
  static const TlsClientContext context;
  return context;
}

const TlsClientOptions& TlsClientContext::options() const noexcept { return core_->options(); }

TlsServerContext::TlsServerContext(const TlsServerOptions& options)
    : core_(std::make_shared<detail::TlsServerCore>(options)) {}

const TlsServerOptions& TlsServerContext::options() const noexcept { return core_->options(); }

}  // namespace clearway
