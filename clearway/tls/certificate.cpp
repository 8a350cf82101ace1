#include <clearway/tls/certificate.hpp>

#include <ctime>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace clearway::detail {

namespace {

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
};
struct FreeBio {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};

std::string text_of(const X509_NAME* name) {
  const std::unique_ptr<BIO, FreeBio> out(BIO_new(BIO_s_mem()));
  // Control characters are escaped: this goes into messages.
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : "(no name)";
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char byte : text) out += byte >= 0x20 && byte < 0x7F ? byte : '?';
  return out;
}

std::string text_of(const ASN1_STRING* text) {
  const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(text));
  return printable({data, static_cast<std::size_t>(ASN1_STRING_length(text))});
}

std::string address_text(const ASN1_OCTET_STRING* bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  const int family = ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6;
  if (family == AF_INET6 && ASN1_STRING_length(bytes) != 16) return "(no address)";
  inet_ntop(family, ASN1_STRING_get0_data(bytes), text, sizeof text);
  return text;
}

std::chrono::sys_seconds time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return std::chrono::sys_seconds(std::chrono::seconds(timegm(&parts)));
}

}  // namespace

std::string time_text(std::chrono::sys_seconds time) {
  const std::time_t seconds = time.time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02} UTC", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min);
}

std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> found;
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
  for (int index = 0; index < count; ++index) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), index);
    if (name->type == GEN_DNS) found.push_back(text_of(name->d.dNSName));
    if (name->type == GEN_IPADD) found.push_back(address_text(name->d.iPAddress));
  }
  if (names != nullptr) return found;
  // Certificates of old have their name in the subject.
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) {
    found.push_back(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
  }
  return found;
}

TlsCertificate describe_certificate(const X509* certificate) {
  TlsCertificate out;
  out.subject = text_of(X509_get_subject_name(certificate));
  out.issuer = text_of(X509_get_issuer_name(certificate));
  out.names = names_of(certificate);
  out.not_before = time_of(X509_get0_notBefore(certificate));
  out.not_after = time_of(X509_get0_notAfter(certificate));
  return out;
}

namespace {

// A certificate of the peer's chain, about to be complained about.
struct Suspect {
  X509* certificate;
  int depth;
  bool of_server;
  int sent;  // certificates in what the peer sent
  std::string host;
  std::chrono::sys_seconds now;

  [[nodiscard]] std::string issuer() const { return text_of(X509_get_issuer_name(certificate)); }
  // "the server's certificate", or an issuer's by name.
  [[nodiscard]] std::string name() const {
    if (depth == 0) return of_server ? "the server's certificate" : "the client's certificate";
    return fmt::format("the certificate of the issuer \"{}\"",
                       text_of(X509_get_subject_name(certificate)));
  }
  [[nodiscard]] std::string clock() const {
    return fmt::format("(this machine's clock says {}, which must be right)", time_text(now));
  }
};

constexpr std::string_view trust_it =
    "if you trust it, give it as one of the roots (TlsRoots, --cacert and the like)";

TlsFailure unknown_issuer(const Suspect& suspect) {
  const std::string_view peer = suspect.of_server ? "server" : "client";
  if (suspect.sent <= 1) {
    return {
        TlsReason::unknown_issuer,
        fmt::format("nobody who is trusted vouches for {}: the {} sent it alone, and its issuer "
                    "\"{}\" is not among the trusted roots. If the issuer is an intermediate "
                    "one, the {} has to send the whole chain; if it is a root, {}",
                    suspect.name(), peer, suspect.issuer(), peer, trust_it)};
  }
  return {
      TlsReason::unknown_issuer,
      fmt::format("nobody who is trusted vouches for the {}'s certificate: the chain of {} that "
                  "it sent ends with the issuer \"{}\", which is not among the trusted roots; {}",
                  peer, suspect.sent, suspect.issuer(), trust_it)};
}

TlsFailure wrong_name(const Suspect& suspect) {
  constexpr std::size_t shown = 8;
  std::vector<std::string> names = names_of(suspect.certificate);
  const std::size_t more = names.size() > shown ? names.size() - shown : 0;
  names.resize(names.size() - more);
  const std::string list =
      names.empty() ? std::string("no name at all") : fmt::format("{}", fmt::join(names, ", "));
  return {TlsReason::wrong_name,
          fmt::format("the server's certificate is not for {}: it is for {}{}. Connect by one of "
                      "these names, or have a certificate made that is for this one",
                      suspect.host, list, more > 0 ? fmt::format(" and {} more", more) : "")};
}

TlsFailure wrong_purpose(const Suspect& suspect, int error) {
  if (error == X509_V_ERR_INVALID_CA) {
    return {TlsReason::wrong_purpose,
            fmt::format("{} may not vouch for others: it is no certificate of an authority (CA)",
                        suspect.name())};
  }
  const std::string_view purpose =
      suspect.of_server ? "servers (serverAuth)" : "clients (clientAuth)";
  return {TlsReason::wrong_purpose,
          fmt::format("{} is not for {}: its extended key usage says what it is for, and that is "
                      "something else; it has to be made again",
                      suspect.name(), purpose)};
}

TlsFailure problem_of(int error, const Suspect& suspect) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {TlsReason::expired,
              fmt::format("{} expired on {} {}; it has to be renewed", suspect.name(),
                          time_text(time_of(X509_get0_notAfter(suspect.certificate))),
                          suspect.clock())};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {TlsReason::not_yet_valid,
              fmt::format("{} is not valid before {} {}", suspect.name(),
                          time_text(time_of(X509_get0_notBefore(suspect.certificate))),
                          suspect.clock())};
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return {TlsReason::self_signed,
              fmt::format("{} is self-signed: nobody else vouches for it; {}", suspect.name(),
                          trust_it)};
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
      return unknown_issuer(suspect);
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return wrong_name(suspect);
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_INVALID_CA:
      return wrong_purpose(suspect, error);
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return {TlsReason::bad_certificate,
              fmt::format("{} is too weak ({}): it has to be made again, with a longer key or "
                          "SHA-256",
                          suspect.name(), X509_verify_cert_error_string(error))};
    default:
      return {TlsReason::bad_certificate, fmt::format("{} is not acceptable: {}", suspect.name(),
                                                      X509_verify_cert_error_string(error))};
  }
}

}  // namespace

int judge_certificate(int good, X509_STORE_CTX* store) {
  if (good != 0) return good;
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* engine = static_cast<TlsEngine*>(SSL_get_app_data(ssl));
  X509* certificate = X509_STORE_CTX_get_current_cert(store);
  if (engine == nullptr || certificate == nullptr || !engine->verifies()) return good;
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(store);
  const std::chrono::seconds now(X509_VERIFY_PARAM_get_time(parameters));
  const Suspect suspect = {.certificate = certificate,
                           .depth = X509_STORE_CTX_get_error_depth(store),
                           .of_server = SSL_is_server(ssl) == 0,
                           .sent = sk_X509_num(X509_STORE_CTX_get0_untrusted(store)),
                           .host = engine->host(),
                           .now = std::chrono::sys_seconds(now)};
  engine->note_certificate_problem(problem_of(X509_STORE_CTX_get_error(store), suspect));
  return good;
}

}  // namespace clearway::detail
