#pragma once

// What certificates say, and what OpenSSL has against them, in words.

#include <string>
#include <vector>

#include <clearway/tls/engine.hpp>
#include <clearway/tls/info.hpp>
#include <clearway/tls/openssl.hpp>

namespace clearway::detail {

TlsCertificate describe_certificate(const x509_st* certificate);
// The host names and addresses that it is for.
std::vector<std::string> names_of(const x509_st* certificate);
// "2027-01-31 12:00 UTC"
std::string time_text(std::chrono::sys_seconds time);

// OpenSSL's callback for a certificate that was looked at; remembers the problem in the engine.
int judge_certificate(int good, x509_store_ctx_st* store);

}  // namespace clearway::detail
