// Certificates and keys from files and text. What is wrong with one is said with its name.

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <unistd.h>
#include <clearway/tls/core.hpp>
#include <clearway/tls/error.hpp>

namespace clearway::detail {

namespace {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const noexcept {
    static_cast<void>(free(object));
  }
};
using BioPointer = std::unique_ptr<BIO, Free<BIO_free>>;
using CertificatePointer = std::unique_ptr<X509, Free<X509_free>>;
using KeyPointer = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

[[noreturn]] void refuse(const std::string& message) {
  ERR_clear_error();
  throw TlsError(NetPhase::handshake, TlsReason::configuration, message);
}

std::string read_file(const std::string& path, std::string_view what) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file && !std::filesystem::is_directory(path)) {
    text.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    if (!file.bad()) return text;
  }
  const int code = errno;
  refuse(
      fmt::format("cannot read the {} file {}: {}", what, path,
                  std::filesystem::is_directory(path) ? "it is a folder" : system_message(code)));
}

// A text and what to call it.
struct Source {
  std::string text;
  std::string name;
};

Source source_of(const std::string& file, const std::string& pem, std::string_view what) {
  if (file.empty()) return {pem, fmt::format("the {}'s PEM text", what)};
  return {read_file(file, what), file};
}

// Without this OpenSSL asks at the terminal.
int no_password(char*, int, int, void*) { return -1; }

std::vector<CertificatePointer> certificates_of(const std::string& text) {
  std::vector<CertificatePointer> found;
  const BioPointer bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  while (X509* next = PEM_read_bio_X509_AUX(bio.get(), nullptr, no_password, nullptr)) {
    found.emplace_back(next);
  }
  return found;
}

std::string openssl_reason() {
  const unsigned long error = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(error);
  return text == nullptr ? "unknown error" : text;
}

KeyPointer key_of(const Source& source) {
  const BioPointer bio(BIO_new_mem_buf(source.text.data(), static_cast<int>(source.text.size())));
  KeyPointer key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (key != nullptr) return key;
  if (source.text.find("ENCRYPTED") != std::string::npos) {
    refuse(
        fmt::format("{} holds a private key with a pass phrase, and keys are taken without one: "
                    "`openssl pkey -in FILE -out FILE` removes it",
                    source.name));
  }
  if (source.text.find("PRIVATE KEY-----") == std::string::npos) {
    refuse(fmt::format("{} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)",
                       source.name));
  }
  refuse(fmt::format("the private key in {} cannot be read: {}", source.name, openssl_reason()));
}

std::vector<CertificatePointer> chain_of(const Source& source) {
  std::vector<CertificatePointer> chain = certificates_of(source.text);
  if (chain.empty() && source.text.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    refuse(fmt::format("{} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
                       source.name));
  }
  if (chain.empty()) {
    refuse(fmt::format("the certificate in {} cannot be read: {}", source.name, openssl_reason()));
  }
  return chain;
}

std::size_t add_roots(X509_STORE* store, const std::string& text) {
  const std::vector<CertificatePointer> roots = certificates_of(text);
  for (const CertificatePointer& root : roots) X509_STORE_add_cert(store, root.get());
  return roots.size();
}

void add_directory(X509_STORE* store, const std::string& directory) {
  std::error_code error;
  std::size_t count = 0;
  const std::filesystem::directory_iterator end;
  for (std::filesystem::directory_iterator file(directory, error); !error && file != end;
       file.increment(error)) {
    // Links that lead nowhere, and what others may not read, are common in such folders.
    std::error_code gone;
    const std::string path = file->path().string();
    if (file->is_regular_file(gone) && ::access(path.c_str(), R_OK) == 0) {
      count += add_roots(store, read_file(path, "root certificates"));
    }
  }
  if (error) {
    refuse(fmt::format("cannot read the folder of root certificates {}: {}", directory,
                       error.message()));
  }
  if (count == 0) {
    refuse(fmt::format("none of the files in {} holds a certificate in PEM form", directory));
  }
}

}  // namespace

void use_identity(ssl_ctx_st* context, const TlsIdentity& identity) {
  const Source certificate =
      source_of(identity.certificate_file, identity.certificate_pem, "certificate");
  const bool key_beside = identity.key_file.empty() && identity.key_pem.empty();
  const Source key =
      key_beside ? certificate : source_of(identity.key_file, identity.key_pem, "private key");
  const std::vector<CertificatePointer> chain = chain_of(certificate);
  const KeyPointer own = key_of(key);
  if (X509_check_private_key(chain.front().get(), own.get()) != 1) {
    refuse(fmt::format("the private key in {} does not belong to the certificate in {}{}", key.name,
                       certificate.name,
                       chain.size() > 1 ? ": the first certificate there must be our own" : ""));
  }
  // The certificate first: it decides which kind of key it is.
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, own.get()) != 1) {
    refuse(fmt::format("OpenSSL refuses the certificate in {}: {}", certificate.name,
                       openssl_reason()));
  }
  for (std::size_t index = 1; index < chain.size(); ++index) {
    SSL_CTX_add1_chain_cert(context, chain[index].get());
  }
  if (!identity.chain_file.empty()) {
    const Source more = {read_file(identity.chain_file, "certificate chain"), identity.chain_file};
    for (const CertificatePointer& link : chain_of(more)) {
      SSL_CTX_add1_chain_cert(context, link.get());
    }
  }
  ERR_clear_error();
}

void use_roots(ssl_ctx_st* context, const TlsRoots& roots) {
  if (roots.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    ERR_clear_error();
    return;
  }
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  if (!roots.file.empty() && add_roots(store, read_file(roots.file, "root certificates")) == 0) {
    refuse(fmt::format("{} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
                       roots.file));
  }
  if (!roots.pem.empty() && add_roots(store, roots.pem) == 0) {
    refuse("the PEM text of the root certificates holds none");
  }
  if (!roots.directory.empty()) add_directory(store, roots.directory);
  ERR_clear_error();
}

std::string alpn_list(const std::vector<std::string>& protocols) {
  std::string list;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) {
      refuse(
          fmt::format("\"{}\" is no protocol's name (ALPN): they have 1 to 255 bytes", protocol));
    }
    list += static_cast<char>(protocol.size());
    list += protocol;
  }
  return list;
}

}  // namespace clearway::detail
