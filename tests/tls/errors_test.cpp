#include <cerrno>
#include <filesystem>
#include <fstream>

#include <tests/tls/tls_world.hpp>

namespace clearway::tls_tests {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t seeds = 5;

// What a client that trusts the test root says about a server with `certificate`.
void expect_refused(const Certificate& certificate, TlsReason reason,
                    std::vector<std::string> parts, std::string host = "localhost",
                    std::string chain = "") {
  TlsServerOptions options = server_options(certificate);
  options.identity.certificate_pem += chain;
  const TlsServerContext server(options);
  over_both(
      [&]() -> Task<> {
        TlsClientContext client = fresh_client();
        const Outcome outcome = co_await outcome_of(client, server, host);
        EXPECT_EQ(outcome.client_reason, reason) << outcome.client;
        EXPECT_TRUE(outcome.client.starts_with("no TLS connection with " + host + ":"))
            << outcome.client;
        for (const std::string& part : parts) {
          EXPECT_TRUE(has(outcome.client, part)) << part << "\n in " << outcome.client;
        }
        EXPECT_EQ(outcome.server_reason, TlsReason::refused) << outcome.server;
      },
      seeds);
}

TEST(TlsErrors, AnExpiredCertificate) {
  CertificateRequest request;
  request.until = 2019;
  expect_refused(
      Certificate(request, test_root()), TlsReason::expired,
      {"the server's certificate expired on 2019-01-02 03:04 UTC", "clock says 202", "renewed"});
}

TEST(TlsErrors, ACertificateOfTheFuture) {
  CertificateRequest request;
  request.from = 2090;
  expect_refused(Certificate(request, test_root()), TlsReason::not_yet_valid,
                 {"the server's certificate is not valid before 2090-01-02 03:04 UTC", "clock"});
}

TEST(TlsErrors, ASelfSignedCertificate) {
  expect_refused(Certificate(CertificateRequest("localhost")), TlsReason::self_signed,
                 {"self-signed", "one of the roots"});
}

TEST(TlsErrors, AnUnknownIssuer) {
  CertificateRequest authority("Somebody Else");
  authority.authority = true;
  const Certificate root(authority);
  expect_refused(Certificate(CertificateRequest("localhost"), root), TlsReason::unknown_issuer,
                 {"\"CN=Somebody Else\" is not among the trusted roots"});
  expect_refused(Certificate(CertificateRequest("localhost"), root), TlsReason::unknown_issuer,
                 {"the chain of 2", "\"CN=Somebody Else\", which is not among the trusted roots"},
                 "localhost", root.pem());
}

TEST(TlsErrors, AChainThatIsCutShort) {
  CertificateRequest authority("Intermediate");
  authority.authority = true;
  const Certificate intermediate(authority, test_root());
  const Certificate leaf(CertificateRequest("localhost"), intermediate);
  expect_refused(leaf, TlsReason::unknown_issuer,
                 {"the server sent it alone", "\"CN=Intermediate\"", "send the whole chain"});
  TlsServerOptions whole = server_options(leaf);
  whole.identity.certificate_pem += intermediate.pem();
  const TlsServerContext server(whole);
  run([](TlsServerContext server) -> Task<> {
    Pair pair = co_await secured(fresh_client(), server);
    EXPECT_EQ(tls_info(pair.client).peer.value().issuer, "CN=Intermediate");
  }(server));
}

TEST(TlsErrors, AnIssuerThatHasExpired) {
  CertificateRequest authority("Old");
  authority.authority = true;
  authority.until = 2020;
  const Certificate intermediate(authority, test_root());
  expect_refused(Certificate(CertificateRequest("localhost"), intermediate), TlsReason::expired,
                 {"the certificate of the issuer \"CN=Old\" expired on 2020-01-02"}, "localhost",
                 intermediate.pem());
}

TEST(TlsErrors, AnIssuerThatIsNoAuthority) {
  const Certificate middle(CertificateRequest("Not a CA"), test_root());
  expect_refused(Certificate(CertificateRequest("localhost"), middle), TlsReason::wrong_purpose,
                 {"\"CN=Not a CA\" may not vouch for others"}, "localhost", middle.pem());
}

TEST(TlsErrors, ANameThatIsNotInTheCertificate) {
  CertificateRequest request("example");
  request.names = "DNS:example.com,DNS:*.example.org,IP:10.0.0.1";
  const Certificate certificate(request, test_root());
  expect_refused(certificate, TlsReason::wrong_name,
                 {"is not for other.example: it is for example.com, *.example.org, 10.0.0.1"},
                 "other.example");
  expect_refused(certificate, TlsReason::wrong_name, {"is not for 127.0.0.1: it is for"},
                 "127.0.0.1");
  request.names = "";
  expect_refused(Certificate(request, test_root()), TlsReason::wrong_name,
                 {"is not for localhost: it is for example."});
}

TEST(TlsErrors, ACertificateForSomethingElse) {
  CertificateRequest request("localhost");
  request.purposes = "clientAuth";
  expect_refused(Certificate(request, test_root()), TlsReason::wrong_purpose,
                 {"is not for servers (serverAuth)"});
}

TEST(TlsErrors, WhoDoesNotVerifyConnectsAnyway) {
  over_both(
      []() -> Task<> {
        CertificateRequest request;
        request.until = 2019;
        const Certificate expired(request);
        TlsServerContext server(server_options(expired));
        TlsClientOptions options;
        options.verify = false;
        TlsClientContext client(options);
        Pair pair = co_await secured(client, server);
        EXPECT_EQ(tls_info(pair.client).peer.value().subject, "CN=localhost");
      },
      seeds);
}

TEST(TlsErrors, ANameMayBeOverridden) {
  over_both(
      []() -> Task<> {
        TlsClientOptions options = client_options();
        options.server_name = "localhost.";
        TlsClientContext client(options);
        const Outcome outcome = co_await outcome_of(client, plain_server(), "10.1.2.3");
        EXPECT_EQ(outcome.client, "");
      },
      seeds);
}

// Somebody who does not speak TLS.
Task<> say(Stream& stream, std::string text) {
  co_await stream.fill();
  co_await stream.write(std::move(text));
  co_await stream.shutdown_write();
  try {
    const std::string rest = co_await stream.read_all();
  } catch (const NetError&) {
    co_return;  // a reset will do as well
  }
}

Task<std::string> refusal_of(std::string answer, std::optional<TlsReason> reason) {
  Connected ends = co_await connected();
  Outcome outcome;
  TlsClientContext client = fresh_client();
  co_await gather(try_client(std::move(ends.client), client, "localhost", outcome),
                  say(ends.server, answer));
  EXPECT_EQ(outcome.client_reason, reason) << outcome.client;
  co_return outcome.client;
}

TEST(TlsErrors, AServerThatDoesNotSpeakTls) {
  over_both(
      []() -> Task<> {
        std::string text =
            co_await refusal_of("HTTP/1.1 400 Bad Request\r\n\r\n", TlsReason::not_tls);
        EXPECT_TRUE(has(text, "the server does not speak TLS here, it answered in plain HTTP"));
        text = co_await refusal_of("SSH-2.0-OpenSSH\r\n", TlsReason::not_tls);
        EXPECT_TRUE(has(text, "the server does not speak TLS here (it began with \"S")) << text;
        text = co_await refusal_of("+", TlsReason::not_tls);
        EXPECT_TRUE(has(text, "(it began with \"+\")")) << text;
        text = co_await refusal_of("", TlsReason::closed);
        EXPECT_TRUE(has(text, "closed the connection in the middle of the handshake")) << text;
      },
      20);
}

TEST(TlsErrors, AClientThatDoesNotSpeakTls) {
  over_both(
      []() -> Task<> {
        Connected ends = co_await connected();
        Outcome outcome;
        co_await ends.client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        co_await try_server(std::move(ends.server), plain_server(), outcome);
        EXPECT_EQ(outcome.server_reason, TlsReason::not_tls);
        EXPECT_TRUE(has(outcome.server, "the client does not speak TLS (it began with \"G"))
            << outcome.server;
      },
      20);
}

TlsServerContext demanding(ClientCertificates how) {
  TlsServerOptions options = server_options();
  options.client_certificates = how;
  options.client_roots.pem = test_root().pem();
  return TlsServerContext(options);
}

TlsClientContext client_with(const Certificate& certificate) {
  TlsClientOptions options = client_options();
  options.identity.certificate_pem = certificate.pem();
  options.identity.key_pem = certificate.key_pem();
  return TlsClientContext(options);
}

TEST(TlsErrors, ClientCertificates) {
  over_both(
      []() -> Task<> {
        const TlsServerContext strict = demanding(ClientCertificates::required);
        const Outcome without = co_await outcome_of(fresh_client(), strict);
        EXPECT_EQ(without.client_reason, TlsReason::client_certificate_required) << without.client;
        EXPECT_TRUE(has(without.client, "TlsClientOptions::identity")) << without.client;
        EXPECT_EQ(without.server_reason, TlsReason::client_certificate_required);
        EXPECT_TRUE(has(without.server, "no certificate")) << without.server;

        const Certificate good(CertificateRequest("alice"), test_root());
        const Outcome with = co_await outcome_of(client_with(good), strict);
        EXPECT_EQ(with.client, "");
        EXPECT_EQ(with.server, "");

        const TlsServerContext lenient = demanding(ClientCertificates::optional);
        const Outcome anonymous = co_await outcome_of(fresh_client(), lenient);
        EXPECT_EQ(anonymous.client, "");
        Pair pair = co_await secured(client_with(good), lenient);
        EXPECT_EQ(tls_info(pair.server).peer.value().subject, "CN=alice");

        const Certificate unknown(CertificateRequest("mallory"));
        const Outcome bad = co_await outcome_of(client_with(unknown), strict);
        EXPECT_EQ(bad.client_reason, TlsReason::refused) << bad.client;
        EXPECT_TRUE(has(bad.client, "does not accept the client's certificate")) << bad.client;
        EXPECT_EQ(bad.server_reason, TlsReason::self_signed) << bad.server;
        EXPECT_TRUE(has(bad.server, "the client's certificate is self-signed")) << bad.server;
      },
      seeds);
}

TEST(TlsErrors, ConfigurationsThatCannotWork) {
  const auto refusal = [](const TlsServerOptions& options) {
    return clearway::tests::error_of([&] { TlsServerContext context(options); });
  };
  TlsServerOptions options;
  EXPECT_TRUE(has(refusal(options), "needs a certificate and its private key"));
  options.identity = TlsIdentity("/nowhere/cert.pem", "/nowhere/key.pem");
  EXPECT_EQ(refusal(options),
            "cannot read the certificate file /nowhere/cert.pem: No such file or directory");
  options.identity = TlsIdentity("/", "/");
  EXPECT_EQ(refusal(options), "cannot read the certificate file /: it is a folder");
  options = server_options();
  options.identity.key_file = "/etc/passwd";
  EXPECT_TRUE(has(refusal(options), "/etc/passwd holds no private key in PEM form"));
  options = server_options();
  options.identity.certificate_pem = "nonsense";
  EXPECT_TRUE(has(refusal(options), "holds no certificate in PEM form"));
  options = server_options();
  options.identity.key_pem = test_root().key_pem();
  EXPECT_TRUE(has(refusal(options), "does not belong to the certificate in"));
  options = server_options();
  options.identity.key_pem =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
  EXPECT_TRUE(has(refusal(options), "with a pass phrase"));
  options = server_options();
  options.client_certificates = ClientCertificates::required;
  EXPECT_TRUE(has(refusal(options), "who may vouch for clients"));
  options = server_options();
  options.alpn = {""};
  EXPECT_TRUE(has(refusal(options), "is no protocol's name"));
  TlsClientOptions client;
  client.roots.file = "/nowhere/roots.pem";
  EXPECT_TRUE(has(clearway::tests::error_of([&] { TlsClientContext context(client); }),
                  "cannot read the root certificates file /nowhere/roots.pem: No such file"));
}

TEST(TlsErrors, AFolderOfRootsMayHoldLinksThatLeadNowhere) {
  std::string folder = "/tmp/clearway-roots-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  std::ofstream(folder + "/root.pem") << test_root().pem();
  for (const char* name : {"a", "b", "c", "z1", "z2", "z3"}) {
    std::filesystem::create_symlink("/nowhere/at/all", folder + "/" + name);
  }
  TlsClientOptions options;
  options.roots.directory = folder;
  EXPECT_EQ(clearway::tests::error_of([&] { TlsClientContext context(options); }), "");
  std::filesystem::remove_all(folder);
}

// The zone stands in no certificate, the address may.
TEST(TlsErrors, AnAddressWithAZoneIsVerified) {
  CertificateRequest request("example");
  request.names = "IP:fe80::2";
  expect_refused(Certificate(request, test_root()), TlsReason::wrong_name, {"fe80::1"},
                 "fe80::1%lo");
}

}  // namespace
}  // namespace clearway::tls_tests
