#pragma once

// Certificates for tests, made when they are needed.

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace clearway::tests {

// What a certificate is to say.
struct CertificateRequest {
  CertificateRequest() = default;
  explicit CertificateRequest(std::string name) : name(std::move(name)) {}

  std::string name = "localhost";
  // As OpenSSL writes them: "DNS:localhost,IP:127.0.0.1"; empty: none.
  std::string names = "DNS:localhost,IP:127.0.0.1";
  std::string purposes = "serverAuth,clientAuth";  // empty: none is named
  bool authority = false;
  // Years: the clocks of all tests are between these.
  int from = 2000;
  int until = 2100;
};

// A certificate with its key.
class Certificate {
 public:
  // Signed by itself.
  explicit Certificate(const CertificateRequest& request) : Certificate(request, nullptr) {}
  // Signed by `issuer`.
  Certificate(const CertificateRequest& request, const Certificate& issuer)
      : Certificate(request, &issuer) {}

  [[nodiscard]] std::string pem() const {
    return to_text([&](BIO* out) { PEM_write_bio_X509(out, certificate_.get()); });
  }
  [[nodiscard]] std::string key_pem() const {
    return to_text([&](BIO* out) {
      PEM_write_bio_PrivateKey(out, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

 private:
  template <auto free>
  struct Free {
    template <class T>
    void operator()(T* object) const noexcept {
      static_cast<void>(free(object));
    }
  };

  Certificate(const CertificateRequest& request, const Certificate* issuer)
      : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    static long serial = 0;
    X509* made = certificate_.get();
    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    set_time(X509_getm_notBefore(made), request.from);
    set_time(X509_getm_notAfter(made), request.until);
    X509_NAME* subject = X509_get_subject_name(made);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(request.name.c_str()), -1, -1,
                               0);
    X509* signer = issuer != nullptr ? issuer->certificate_.get() : made;
    X509_set_issuer_name(made, X509_get_subject_name(signer));
    X509_set_pubkey(made, key_.get());
    add(signer, NID_basic_constraints, request.authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (!request.names.empty() && !request.authority) {
      add(signer, NID_subject_alt_name, request.names);
    }
    if (!request.purposes.empty() && !request.authority) {
      add(signer, NID_ext_key_usage, request.purposes);
    }
    EVP_PKEY* key = issuer != nullptr ? issuer->key_.get() : key_.get();
    if (X509_sign(made, key, EVP_sha256()) == 0) throw std::runtime_error("cannot sign");
  }

  void add(X509* issuer, int what, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate_.get(), nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
    if (extension == nullptr) throw std::runtime_error("no such extension: " + value);
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }

  static void set_time(ASN1_TIME* time, int year) {
    ASN1_TIME_set_string_X509(time, (std::to_string(year) + "0102030405Z").c_str());
  }

  template <class Write>
  static std::string to_text(Write write) {
    const std::unique_ptr<BIO, Free<BIO_free>> out(BIO_new(BIO_s_mem()));
    write(out.get());
    char* data = nullptr;
    const auto size = static_cast<std::size_t>(BIO_get_mem_data(out.get(), &data));
    return {data, size};
  }

  std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>> key_;
  std::unique_ptr<X509, Free<X509_free>> certificate_;
};

// A root that tests trust.
inline const Certificate& test_root() {
  static const Certificate root = [] {
    CertificateRequest request("Test Root");
    request.authority = true;
    return Certificate(request);
  }();
  return root;
}

// A good certificate for localhost and 127.0.0.1.
inline const Certificate& test_certificate() {
  static const Certificate certificate(CertificateRequest("localhost"), test_root());
  return certificate;
}

}  // namespace clearway::tests
