#pragma once

// Names of OpenSSL's types, without its headers: those are included by the sources only.

#include <memory>

struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;
struct x509_st;
struct x509_store_st;
struct x509_store_ctx_st;
struct X509_name_st;

namespace clearway::detail {

// Frees what OpenSSL has counted or allocated.
struct FreeTls {
  void operator()(ssl_st* ssl) const noexcept;
  void operator()(ssl_ctx_st* context) const noexcept;
  void operator()(ssl_session_st* session) const noexcept;
};
using SslPointer = std::unique_ptr<ssl_st, FreeTls>;
using SslContextPointer = std::unique_ptr<ssl_ctx_st, FreeTls>;
using SslSessionPointer = std::unique_ptr<ssl_session_st, FreeTls>;

}  // namespace clearway::detail
