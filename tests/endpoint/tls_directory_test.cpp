// A folder of certificates: who gets which, and what a change does.

#include <openssl/ssl.h>

#include <gmock/gmock.h>
#include <clearway/base/log.hpp>
#include <clearway/endpoint.hpp>
#include <clearway/tls.hpp>
#include <clearway/tls/certificate.hpp>
#include <clearway/tls/directory.hpp>
#include <tests/support/certificates.hpp>
#include <tests/support/temporary_folder.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using ::testing::HasSubstr;
using tests::Certificate;
using tests::CertificateRequest;
using tests::TemporaryFolder;

std::string file_for(const std::string& subject, const std::string& names) {
  CertificateRequest request(subject);
  request.names = names;
  const Certificate certificate(request);
  return certificate.pem() + certificate.key_pem();
}

// Whose certificate a client that asks for `name` is shown.
Task<> look(ServerEndpoint& endpoint, std::string name, std::string& subject) {
  const auto serve = [](ServerEndpoint& at) -> Task<> {
    Stream accepted = co_await at.listener.accept();
    Stream stream = co_await at.welcome(std::move(accepted));
    const std::string all = co_await stream.read_all();
    EXPECT_EQ(all, "");
  };
  const auto ask = [](std::uint16_t port, std::string host, std::string& found) -> Task<> {
    TlsClientOptions options;
    options.verify = false;
    const TlsClientContext context(options);
    Stream plain = co_await connect("::1", port);
    Stream stream = co_await start_tls_client(std::move(plain), host, context);
    found = tls_info(stream).peer->subject;
    co_await stream.shutdown_write();
  };
  co_await gather(serve(endpoint), ask(endpoint.listener.address().port(), name, subject));
}

Task<> ask_for_names(std::string folder) {
  ServerEndpoint endpoint =
      listen_endpoint("tls:" + folder + ":port=0:interface=" + quote_endpoint("::1"));
  for (const auto& [name, expected] : std::initializer_list<std::pair<const char*, const char*>>{
           {"a.example.com", "CN=a"},
           {"A.EXAMPLE.COM", "CN=a"},
           {"b.example.com", "CN=wild"},
           {"x.b.example.com", "CN=a"},
           {"example.com", "CN=both"},
           {"www.example.org", "CN=both"},
           {"elsewhere.net", "CN=a"},
           {"::1", "CN=a"},
       }) {
    std::string subject;
    co_await look(endpoint, name, subject);
    EXPECT_EQ(subject, expected) << name;
  }
}

TEST(TlsDirectoryTest, EachNameHasItsCertificate) {
  const TemporaryFolder folder;
  folder.write("a.pem", file_for("a", "DNS:a.example.com"));
  folder.write("b.pem", file_for("wild", "DNS:*.example.com"));
  folder.write("c.pem", file_for("both", "DNS:example.com,DNS:www.example.org"));
  folder.write("README", "not a certificate");
  run(ask_for_names(folder.path()));
}

TEST(TlsDirectoryTest, AFolderWithoutCertificatesIsRefused) {
  const TemporaryFolder folder;
  const auto refusal = [&] {
    return tests::error_of([&] { detail::TlsDirectory(folder.path()); });
  };
  EXPECT_THAT(refusal(), HasSubstr("ends in .pem"));
  folder.write("a.pem", "nothing");
  EXPECT_THAT(refusal(), HasSubstr("a.pem holds no certificate in PEM form"));
}

// The subject of the certificate that `directory` gives a connection.
std::string given(detail::TlsDirectory& directory, std::string_view name) {
  const std::unique_ptr<SSL_CTX, detail::FreeTls> context(SSL_CTX_new(TLS_server_method()));
  const detail::SslPointer connection(SSL_new(context.get()));
  directory.present(connection.get(), name);
  return detail::describe_certificate(SSL_get_certificate(connection.get())).subject;
}

TEST(TlsDirectoryTest, AChangeCounts) {
  const TemporaryFolder folder;
  folder.write("a.pem", file_for("first", "DNS:a"));
  detail::TlsDirectory directory(folder.path(), Duration::zero());
  EXPECT_EQ(given(directory, "a"), "CN=first");
  folder.write("b.pem", file_for("other", "DNS:b"));
  EXPECT_EQ(given(directory, "b"), "CN=other");
  folder.write("a.pem", "half of a fi");
  EXPECT_EQ(given(directory, "a"), "CN=first") << "what was whole remains";
  EXPECT_EQ(given(directory, "b"), "CN=other");
  folder.write("a.pem", file_for("second", "DNS:a,DNS:aa"));
  EXPECT_EQ(given(directory, "aa"), "CN=second");
  std::filesystem::remove(folder.path() + "/b.pem");
  EXPECT_EQ(given(directory, "b"), "CN=second");
  std::filesystem::remove(folder.path() + "/a.pem");
  EXPECT_EQ(given(directory, "a"), "CN=second");
}

}  // namespace
}  // namespace clearway
