// HTTP over TLS, client and server.

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <clearway/tls.hpp>
#include <tests/http/client_peer.hpp>
#include <tests/http/server_world.hpp>
#include <tests/support/certificates.hpp>
#include <tests/support/worlds.hpp>

namespace clearway::http {
namespace {

using namespace std::chrono_literals;
using clearway::tests::Certificate;
using clearway::tests::CertificateRequest;
using clearway::tests::on_both_drivers;
using clearway::tests::test_certificate;
using clearway::tests::test_root;
using client_tests::has;
using client_tests::message_of;

TlsServerContext server_context(const Certificate& certificate = test_certificate()) {
  TlsServerOptions options;
  options.identity.certificate_pem = certificate.pem();
  options.identity.key_pem = certificate.key_pem();
  options.alpn = {"http/1.1"};
  return TlsServerContext(options);
}

TlsClientContext client_context() {
  TlsClientOptions options;
  options.roots.pem = test_root().pem();
  return TlsClientContext(options);
}

void add_routes(App& app) {
  app.get("/", [](Request&) -> Task<Response> { co_return "Hello, world!"; });
  app.get("/large", [](Request&) -> Task<Response> { co_return std::string(300'000, 'x'); });
  app.get("/ticks", [](Request&) -> Task<Response> {
    co_return Response::stream([](BodyWriter& out) -> Task<> {
      for (int tick = 0; tick < 5; ++tick) {
        co_await out.write(fmt::format("tick {}\n", tick));
        co_await sleep(1ms);
      }
    });
  });
  app.get("/who", [](Request& request) -> Task<Response> {
    const auto tls = request.tls();
    if (!tls) co_return "plain";
    co_return fmt::format("{} {} {}", tls->version, tls->alpn,
                          tls->peer ? tls->peer->subject : "nobody");
  });
  app.post("/echo", [](Request& request) -> Task<Response> { co_return co_await request.body(); });
}

Task<> with_tls(std::function<Task<>(Server&, std::string)> client,
                TlsServerContext context = server_context(), ServerOptions options = {}) {
  App app;
  add_routes(app);
  options.tls = &context;
  co_await with_server(app, options, [&](Server& server) -> Task<> {
    co_await client(server, fmt::format("https://127.0.0.1:{}", server.address().port()));
  });
}

TEST(HttpsTest, RequestsOnOneConnection) {
  on_both_drivers([]() -> Task<> {
    co_await with_tls([](Server& server, std::string url) -> Task<> {
      const TlsClientContext tls = client_context();
      Session session(url, {.tls = &tls});
      for (int round = 0; round < 3; ++round) {
        const std::string text = co_await session.get("/").text();
        EXPECT_EQ(text, "Hello, world!");
      }
      EXPECT_EQ(server.connections(), 1U);
      EXPECT_EQ(session.idle_connections(), 1U);
      const std::string large = co_await session.get("/large").text();
      EXPECT_EQ(large, std::string(300'000, 'x'));
      const std::string ticks = co_await session.get("/ticks").text();
      EXPECT_EQ(ticks, "tick 0\ntick 1\ntick 2\ntick 3\ntick 4\n");
      const std::string sent(400'000, 'y');
      const std::string echoed = co_await session.post("/echo").body(sent).text();
      EXPECT_TRUE(echoed == sent);
      EXPECT_EQ(server.connections(), 1U);
    });
  });
}

TEST(HttpsTest, ManyAtOnceAndTheServersGoodbyeIsNoticed) {
  on_both_drivers([]() -> Task<> {
    const TlsClientContext tls = client_context();
    Session session(SessionOptions{.tls = &tls});
    co_await with_tls([&](Server&, std::string url) -> Task<> {
      auto texts = co_await gather(std::views::iota(0, 20),
                                   [&](int) { return session.get(url + "/").text(); });
      for (const std::string& text : texts) EXPECT_EQ(text, "Hello, world!");
      EXPECT_GT(session.idle_connections(), 0U);
    });
    co_await sleep(5ms);
    EXPECT_EQ(session.idle_connections(), 0U) << "the server has gone, and said so";
  });
}

TEST(HttpsTest, ABadCertificateIsNamedInTheRequestsError) {
  on_both_drivers(
      []() -> Task<> {
        CertificateRequest request;
        request.until = 2019;
        const Certificate expired(request, test_root());
        co_await with_tls(
            [](Server&, std::string url) -> Task<> {
              const TlsClientContext tls = client_context();
              Session session(url, {.tls = &tls});
              try {
                const std::string text = co_await session.get("/").text();
                ADD_FAILURE() << text;
              } catch (const ConnectionError& error) {
                EXPECT_EQ(error.tls_reason(), TlsReason::expired);
                EXPECT_EQ(error.phase(), Phase::Handshake);
                EXPECT_TRUE(has(error.what(), "expired on 2019-01-02 03:04 UTC")) << error.what();
                EXPECT_TRUE(has(error.what(), "(handshake phase")) << error.what();
              }
              EXPECT_EQ(session.connections(), 0U);
            },
            server_context(expired));
      },
      5);
}

TEST(HttpsTest, PlainHttpOnATlsPortAndTheOtherWayRound) {
  on_both_drivers(
      []() -> Task<> {
        const TlsClientContext tls = client_context();
        Session session(SessionOptions{.tls = &tls});
        co_await with_tls([&](Server&, std::string url) -> Task<> {
          url.erase(4, 1);  // https
          const std::string message = co_await message_of(session.get(url).text());
          EXPECT_NE(message, "");
        });
        App app;
        add_routes(app);
        co_await with_server(app, {}, [&](Server& server) -> Task<> {
          const std::string url = fmt::format("https://127.0.0.1:{}", server.address().port());
          const std::string message = co_await message_of(session.get(url).text());
          EXPECT_TRUE(has(message, "it answered in plain HTTP: use http://")) << message;
        });
      },
      5);
}

TEST(HttpsTest, FollowsARedirectFromHttp) {
  on_both_drivers([]() -> Task<> {
    co_await with_tls([](Server&, std::string url) -> Task<> {
      App door;
      door.get("/", [&](Request&) { return Response::redirect(url + "/"); });
      const TlsClientContext tls = client_context();
      Session session(SessionOptions{.tls = &tls});
      co_await with_server(door, {}, [&](Server& server) -> Task<> {
        const std::string from = fmt::format("http://127.0.0.1:{}/", server.address().port());
        const std::string text = co_await session.get(from).text();
        EXPECT_EQ(text, "Hello, world!");
      });
    });
  });
}

// A server that answers `answer` to anything, and cuts the connection without TLS's goodbye.
Task<> cut(Listener& listener, std::string answer) {
  Stream raw = co_await listener.accept();
  Stream stream = co_await start_tls_server(std::move(raw), server_context());
  const std::string request = co_await stream.read_until("\r\n\r\n");
  co_await stream.write(std::move(answer));
  Loop::current().driver().shutdown(stream.handle(), SHUT_WR);
  try {
    const std::string rest = co_await stream.read_all();
  } catch (const NetError&) {
    co_return;  // the client does not say goodbye to one who did not
  }
}

Task<std::string> message_of_cut(std::string answer) {
  Listener listener = listen("127.0.0.1", 0);
  const TlsClientContext tls = client_context();
  Session session(fmt::format("https://127.0.0.1:{}", listener.address().port()), {.tls = &tls});
  auto results = co_await gather(message_of(session.get("/").text()), cut(listener, answer));
  co_return std::get<0>(results);
}

TEST(HttpsTest, WhatIsCutShortIsNotWhole) {
  on_both_drivers([]() -> Task<> {
    std::string message =
        co_await message_of_cut("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf a sen");
    EXPECT_TRUE(has(message, "without TLS's goodbye")) << message;
    message = co_await message_of_cut("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf a sen");
    EXPECT_TRUE(has(message, "body cut short: got 10 of 100 bytes")) << message;
    message = co_await message_of_cut("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfull");
    EXPECT_EQ(message, "") << "the length says that it is all there";
  });
}

TEST(HttpsTest, ASlowHandshakeBlocksNobodyAndHasItsEnd) {
  on_both_drivers(
      []() -> Task<> {
        ServerOptions options;
        // A busy machine needs its time for the handshake of the one that is not silent.
        options.header_timeout = clearway::tests::simulated() ? 30ms : 500ms;
        co_await with_tls(
            [](Server& server, std::string url) -> Task<> {
              std::vector<Stream> silent;
              for (int count = 0; count < 20; ++count) {
                silent.push_back(co_await connect(server.address()));
              }
              const TlsClientContext tls = client_context();
              Session session(url, {.tls = &tls});
              const std::string text = co_await session.get("/").text();
              EXPECT_EQ(text, "Hello, world!");
              for (Stream& stream : silent) {
                const std::string nothing = co_await stream.read_all();
                EXPECT_EQ(nothing, "");
              }
              EXPECT_LE(server.connections(), 1U);
            },
            server_context(), options);
      },
      5);
}

TEST(HttpsTest, ClientCertificates) {
  on_both_drivers(
      []() -> Task<> {
        TlsServerOptions strict;
        strict.identity.certificate_pem = test_certificate().pem();
        strict.identity.key_pem = test_certificate().key_pem();
        strict.client_certificates = ClientCertificates::required;
        strict.client_roots.pem = test_root().pem();
        const TlsServerContext context(strict);
        co_await with_tls(
            [](Server&, std::string url) -> Task<> {
              const TlsClientContext anonymous = client_context();
              Session stranger(url, {.tls = &anonymous});
              const std::string message = co_await message_of(stranger.get("/").text());
              EXPECT_TRUE(has(message, "the server wants a certificate of the client")) << message;
              TlsClientOptions options;
              options.roots.pem = test_root().pem();
              options.identity.certificate_pem = test_certificate().pem();
              options.identity.key_pem = test_certificate().key_pem();
              const TlsClientContext known(options);
              Session session(url, {.tls = &known});
              const std::string text = co_await session.get("/").text();
              EXPECT_EQ(text, "Hello, world!");
              const std::string who = co_await session.get("/who").text();
              EXPECT_EQ(who, "TLSv1.3  CN=localhost");
            },
            context);
      },
      5);
}

TEST(HttpsTest, ARequestMayBeCancelledAnywhere) {
  try {
    const TlsServerContext context = server_context();
    const TlsClientContext tls = client_context();
    sim::exhaust_cancellation(
        [&](sim::Stage& stage) -> Task<> {
          co_await with_tls(
              [&](Server&, std::string url) -> Task<> {
                Session session(url, {.tls = &tls});
                auto text = co_await stage.run(session.get("/large").text());
                if (text) {
                  EXPECT_EQ(text->size(), 300'000U);
                }
                const std::string again = co_await session.get("/").text();
                EXPECT_EQ(again, "Hello, world!");
              },
              context);
        },
        3);
  } catch (const Error& error) {
    FAIL() << error.what();
  }
}

// The endpoint's files.
class TlsFiles {
 public:
  TlsFiles() {
    char name[] = "/tmp/clearway_tls_XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;
  ~TlsFiles() { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }

 private:
  std::string folder_;
};

TEST(HttpsTest, TheEndpointNamesTheFiles) {
  const TlsFiles files;
  const std::string key = files.write("key.pem", test_certificate().key_pem());
  const std::string certificate = files.write("cert.pem", test_certificate().pem());
  const std::string both =
      files.write("both.pem", test_certificate().pem() + test_certificate().key_pem());
  for (const std::string& what :
       {"privateKey=" + key + ":certKey=" + certificate, "privateKey=" + both}) {
    run([](std::string endpoint) -> Task<> {
      App app;
      add_routes(app);
      Server server(app, endpoint);
      co_await task_group([&](TaskGroup& group) -> Task<> {
        group.start([&] { return server.run(); });
        const TlsClientContext tls = client_context();
        Session session(fmt::format("https://127.0.0.1:{}", server.address().port()),
                        {.tls = &tls});
        const std::string text = co_await session.get("/").text();
        EXPECT_EQ(text, "Hello, world!");
        server.stop();
      });
    }("ssl:0:interface=127.0.0.1:" + what));
  }
}

Task<std::string> refusal_of(std::string endpoint) {
  App app;
  co_return tests::error_of([&] { Server server(app, endpoint); });
}

TEST(HttpsTest, AnEndpointThatCannotWorkSaysWhy) {
  const TlsFiles files;
  const std::string key = files.write("key.pem", test_certificate().key_pem());
  const std::string other = files.write("other.pem", test_root().pem());
  const std::string missing = files.folder() + "/missing.pem";
  std::string message = run(refusal_of("ssl:0:privateKey=" + key + ":certKey=" + missing));
  EXPECT_TRUE(has(message, fmt::format("column {}: cannot read the certificate file {}: No such "
                                       "file or directory",
                                       19 + key.size(), missing)))
      << message;
  message = run(refusal_of("ssl:0:privateKey=" + key + ":certKey=" + other));
  EXPECT_TRUE(has(message, fmt::format("column 7: the private key in {} does not belong to the "
                                       "certificate in {}",
                                       key, other)))
      << message;
  message = run(refusal_of("ssl:0"));
  EXPECT_TRUE(has(message, "column 6: the privateKey is missing: write privateKey=FILE"))
      << message;
  message = run(refusal_of("ssl:0:certificate=a"));
  EXPECT_TRUE(has(message, "have port, privateKey, certKey, sslmethod, interface")) << message;
}

}  // namespace
}  // namespace clearway::http
