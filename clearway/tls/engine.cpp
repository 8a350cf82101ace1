#include <clearway/tls/engine.hpp>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <clearway/loop/address.hpp>
#include <clearway/net/known_names.hpp>
#include <clearway/tls/certificate.hpp>
#include <clearway/tls/core.hpp>

namespace clearway::detail {

namespace {

// OpenSSL's view of the socket: the engine's buffers.

TlsEngine& engine_of(BIO* bio) { return *static_cast<TlsEngine*>(BIO_get_data(bio)); }

int bio_write(BIO* bio, const char* data, int size) {
  try {
    engine_of(bio).output().append(data, static_cast<std::size_t>(size));
  } catch (const std::bad_alloc&) {
    return -1;  // no exception through C
  }
  return size;
}

int bio_read(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const std::size_t count = engine_of(bio).take_input({data, static_cast<std::size_t>(size)});
  if (count > 0) return static_cast<int>(count);
  BIO_set_retry_read(bio);
  return -1;
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "clearway");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

std::string without_dot(std::string host) {
  if (host.size() > 1 && host.ends_with('.')) host.pop_back();
  return host;
}

}  // namespace

TlsEngine::TlsEngine(std::shared_ptr<TlsClientCore> client, const std::string& host,
                     std::uint16_t port, std::int64_t seconds)
    : client_(std::move(client)) {
  const TlsClientOptions& options = client_->options();
  host_ = without_dot(options.server_name.empty() ? host : options.server_name);
  if (host_.empty()) {
    throw UsageError("TLS needs the name of the server, which its certificate has to bear");
  }
  const bool is_address = Address::ip(host_, 0).has_value();
  if (!is_address) host_ = ascii_name(host_);
  session_key_ = fmt::format("{}:{}", host_, port);
  start(client_->ssl(), seconds);
  SSL* ssl = ssl_.get();
  SSL_set_connect_state(ssl);
  if (!is_address) SSL_set_tlsext_host_name(ssl, host_.c_str());
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  // A zone ("fe80::1%eth0") is this machine's business, and in no certificate.
  const std::string address = is_address ? host_.substr(0, host_.find('%')) : std::string();
  const int known = is_address
                        ? X509_VERIFY_PARAM_set1_ip_asc(parameters, address.c_str())
                        : X509_VERIFY_PARAM_set1_host(parameters, host_.c_str(), host_.size());
  if (known != 1) {
    throw UsageError(fmt::format("\"{}\" cannot be looked for in a certificate", host_));
  }
  if (const SslSessionPointer session = client_->take_session(session_key_)) {
    SSL_set_session(ssl, session.get());
  }
}

TlsEngine::TlsEngine(std::shared_ptr<TlsServerCore> server, std::int64_t seconds)
    : server_(std::move(server)) {
  start(server_->ssl(), seconds);
  SSL_set_accept_state(ssl_.get());
}

void TlsEngine::start(ssl_ctx_st* context, std::int64_t seconds) {
  ssl_.reset(SSL_new(context));
  BIO* bio = BIO_new(bio_method());
  if (ssl_ == nullptr || bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl_.get()), seconds);
}

// Sessions of connections that end without ceremony may be resumed all the same: truncation was
// looked at where it matters.
TlsEngine::~TlsEngine() {
  if (ssl_ != nullptr) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void TlsEngine::arrived(std::string_view ciphertext) {
  assert(begin_ == end_);
  if (ciphertext.empty()) return;
  input_.reset(new char[ciphertext.size()]);
  ciphertext.copy(input_.get(), ciphertext.size());
  begin_ = 0;
  end_ = ciphertext.size();
  if (first_.size() < 16 && !established_) first_.append(ciphertext.substr(0, 16));
}

std::size_t TlsEngine::take_input(std::span<char> into) noexcept {
  const std::size_t count = std::min(into.size(), end_ - begin_);
  if (count == 0) return 0;
  std::memcpy(into.data(), input_.get() + begin_, count);
  begin_ += count;
  if (begin_ == end_) input_.reset();
  return count;
}

bool TlsEngine::verifies() const noexcept {
  return client_ == nullptr || client_->options().verify;
}

void TlsEngine::keep_session(SslSessionPointer session) {
  if (client_ != nullptr) client_->keep_session(session_key_, std::move(session));
}

TlsEngine::Outcome TlsEngine::handshake() {
  if (established_) return Outcome::done;
  if (failure_) return Outcome::failed;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) return judge(result);
  established_ = true;
  return Outcome::done;
}

TlsEngine::Outcome TlsEngine::read(std::span<char> into, std::size_t& count) {
  count = 0;
  if (failure_) return Outcome::failed;
  while (count < into.size()) {
    std::size_t more = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_.get(), into.data() + count, into.size() - count, &more);
    if (result != 1) {
      const Outcome outcome = judge(result);
      return count > 0 ? Outcome::done : outcome;  // the rest is said again
    }
    count += more;
    if (begin_ == end_ && SSL_pending(ssl_.get()) == 0) break;
  }
  return Outcome::done;
}

TlsEngine::Outcome TlsEngine::peek() {
  if (failure_) return Outcome::failed;
  char byte = 0;
  std::size_t count = 0;
  ERR_clear_error();
  const int result = SSL_peek_ex(ssl_.get(), &byte, 1, &count);
  return result == 1 ? Outcome::done : judge(result);
}

TlsEngine::Outcome TlsEngine::write(std::string_view data) {
  if (broken_) return Outcome::failed;
  if (data.empty()) return Outcome::done;
  std::size_t written = 0;
  ERR_clear_error();
  const int result = SSL_write_ex(ssl_.get(), data.data(), data.size(), &written);
  if (result == 1) return Outcome::done;
  if (judge(result) == Outcome::wants_input) {
    broken_ = true;
    fail({TlsReason::damaged, "TLS waits for the peer in the middle of a write"});
  }
  return Outcome::failed;
}

void TlsEngine::say_goodbye() noexcept {
  if (!established_ || broken_) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

// What a call that did not succeed means.
TlsEngine::Outcome TlsEngine::judge(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      if (!input_ended_) return Outcome::wants_input;
      if (established_) {
        fail({TlsReason::truncated,
              "the connection ended without TLS's goodbye (close_notify): somebody may have cut it "
              "short, and what came before may not be all"});
      } else if (!peer_speaks_tls()) {
        fail(not_tls());
      } else {
        fail({TlsReason::closed, "the peer closed the connection in the middle of the handshake"});
      }
      return Outcome::failed;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::ended;
    default:
      broken_ = true;
      fail(failure_of(ERR_peek_error()));
      ERR_clear_error();
      return Outcome::failed;
  }
}

void TlsEngine::fail(TlsFailure failure) {
  if (!failure_) failure_ = std::move(failure);
}

TlsInfo TlsEngine::info() const {
  TlsInfo info;
  const SSL* ssl = ssl_.get();
  info.version = SSL_get_version(ssl);
  if (const char* cipher = SSL_get_cipher_name(ssl)) info.cipher = cipher;
  const unsigned char* protocol = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &length);
  if (length > 0) info.alpn.assign(reinterpret_cast<const char*>(protocol), length);
  info.resumed = SSL_session_reused(ssl) != 0;
  if (const X509* peer = SSL_get0_peer_certificate(ssl)) info.peer = describe_certificate(peer);
  return info;
}

}  // namespace clearway::detail
