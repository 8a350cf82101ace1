#include <tests/tls/tls_world.hpp>

namespace clearway::tls_tests {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t seeds = 20;

TEST(TlsHandshake, BothEndsAgreeAndTalk) {
  const TlsClientContext context = fresh_client();
  over_both(
      [&]() -> Task<> {
        Pair pair = co_await secured(context);
        EXPECT_TRUE(is_tls(pair.client));
        const TlsInfo info = tls_info(pair.client);
        EXPECT_EQ(info.version, "TLSv1.3");
        EXPECT_FALSE(info.cipher.empty());
        EXPECT_EQ(info.alpn, "");
        EXPECT_EQ(info.peer.value().subject, "CN=localhost");
        EXPECT_EQ(info.peer.value().issuer, "CN=Test Root");
        const std::vector<std::string> names = {"localhost", "127.0.0.1"};
        EXPECT_EQ(info.peer.value().names, names);
        EXPECT_EQ(info.peer.value().not_after.time_since_epoch().count(), 4102542245);
        EXPECT_FALSE(tls_info(pair.server).peer.has_value());
        co_await pair.client.write("to the server\n");
        auto line = co_await pair.server.read_line();
        EXPECT_EQ(line, "to the server");
        co_await pair.server.write("to the client\n");
        line = co_await pair.client.read_line();
        EXPECT_EQ(line, "to the client");
        EXPECT_EQ(pair.client.bytes_written(), 14U);
        EXPECT_EQ(pair.client.bytes_read(), 14U);
      },
      seeds);
}

TEST(TlsHandshake, ConnectsByNameAndByAddress) {
  over_both(
      []() -> Task<> {
        Listener listener = listen("127.0.0.1", 0);
        const TlsClientContext context = fresh_client();
        co_await task_group([&](TaskGroup& group) -> Task<> {
          group.start([&]() -> Task<> {
            Stream raw = co_await listener.accept();
            Stream stream = co_await start_tls_server(std::move(raw), plain_server());
            co_await stream.write("hello");
            co_await stream.shutdown_write();
            const std::string rest = co_await stream.read_all();
            EXPECT_EQ(rest, "");
          });
          Stream stream = co_await tls_connect("127.0.0.1", listener.address().port(), context);
          const std::string all = co_await stream.read_all();
          EXPECT_EQ(all, "hello");
          EXPECT_TRUE(stream.ended());
          co_await stream.shutdown_write();
        });
      },
      seeds);
}

TEST(TlsHandshake, SpeaksTls12WhenThePeerCannotDoBetter) {
  TlsServerOptions options = server_options();
  const TlsServerContext server(options);
  TlsClientOptions newest = client_options();
  newest.min_version = TlsVersion::tls1_3;
  run([](TlsClientContext client, TlsServerContext server) -> Task<> {
    Pair pair = co_await secured(client, server);
    EXPECT_EQ(tls_info(pair.server).version, "TLSv1.3");
  }(TlsClientContext(newest), server));
}

TEST(TlsHandshake, AgreesOnAProtocol) {
  over_both(
      []() -> Task<> {
        TlsServerOptions server = server_options();
        server.alpn = {"second", "http/1.1"};
        TlsClientOptions client = client_options();
        client.alpn = {"http/1.1", "second"};
        TlsServerContext server_context(server);
        TlsClientContext client_context(client);
        {
          Pair pair = co_await secured(client_context, server_context);
          EXPECT_EQ(tls_info(pair.client).alpn, "second") << "the server's order counts";
          EXPECT_EQ(tls_info(pair.server).alpn, "second");
        }
        client.alpn = {"gopher"};
        TlsClientContext other(client);
        const Outcome outcome = co_await outcome_of(other, server_context);
        EXPECT_EQ(outcome.client_reason, TlsReason::no_agreement) << outcome.client;
        EXPECT_EQ(outcome.server_reason, TlsReason::no_agreement) << outcome.server;
        EXPECT_TRUE(has(outcome.client, "ALPN")) << outcome.client;
      },
      5);
}

TEST(TlsHandshake, TheSecondConnectionResumes) {
  over_both(
      []() -> Task<> {
        const TlsClientContext context = fresh_client();
        Listener listener = listen("127.0.0.1", 0);
        for (int round = 0; round < 3; ++round) {
          Pair pair = co_await secured_at(listener, context, plain_server());
          EXPECT_EQ(tls_info(pair.client).resumed, round > 0);
          EXPECT_EQ(tls_info(pair.server).resumed, round > 0);
          EXPECT_TRUE(tls_info(pair.client).peer.has_value());
          co_await pair.server.write("x");  // behind the tickets
          const std::string one = co_await pair.client.read_exactly(1);
          EXPECT_EQ(one, "x");
        }
      },
      seeds);
}

// The workers of a server have a context each; servers of other terms do not take its sessions.
TEST(TlsHandshake, ResumesAtAnotherContextOfTheSameTerms) {
  over_both(
      []() -> Task<> {
        const TlsClientContext context = fresh_client();
        Listener listener = listen("127.0.0.1", 0);
        TlsServerOptions asking = server_options();
        asking.client_certificates = ClientCertificates::optional;
        asking.client_roots.pem = test_root().pem();
        const TlsServerContext first(server_options());
        const TlsServerContext second(server_options());
        const TlsServerContext third(asking);
        const auto resumes = [&](TlsServerContext server) -> Task<bool> {
          Pair pair = co_await secured_at(listener, context, server);
          co_await pair.server.write("x");  // behind the tickets
          static_cast<void>(co_await pair.client.read_exactly(1));
          co_return tls_info(pair.client).resumed;
        };
        const bool at_first = co_await resumes(first);
        EXPECT_FALSE(at_first);
        const bool at_another = co_await resumes(second);
        EXPECT_TRUE(at_another);
        const bool at_other_terms = co_await resumes(third);
        EXPECT_FALSE(at_other_terms);
      },
      seeds);
}

TEST(TlsHandshake, BytesThatCameEarlyAreTheHandshakes) {
  over_both(
      []() -> Task<> {
        Connected ends = co_await connected();
        const TlsClientContext context = fresh_client();
        co_await task_group([&](TaskGroup& group) -> Task<> {
          Stream client;
          group.start(shake_client, std::move(ends.client), context, "localhost", std::ref(client));
          const std::size_t count = co_await ends.server.fill();
          EXPECT_GT(count, 0U);
          Stream server = co_await start_tls_server(std::move(ends.server), plain_server());
          co_await server.write("x");
        });
      },
      seeds);
}

TEST(TlsHandshake, TakesNoLongerThanAllowed) {
  over_both(
      []() -> Task<> {
        Connected ends = co_await connected();
        TlsClientOptions options = client_options();
        options.handshake_timeout = 5ms;
        TlsClientContext context(options);
        try {
          Stream stream = co_await start_tls_client(std::move(ends.client), "localhost", context);
          ADD_FAILURE() << "nobody answers";
        } catch (const TlsError& error) {
          EXPECT_EQ(error.reason(), TlsReason::timed_out);
          EXPECT_EQ(error.phase(), NetPhase::handshake);
          EXPECT_TRUE(has(error.what(), "no handshake within 0.005 s")) << error.what();
        }
      },
      seeds);
}

TEST(TlsHandshake, MisuseIsNamed) {
  over_both(
      []() -> Task<> {
        TlsClientContext context = fresh_client();
        EXPECT_THROW(co_await start_tls_client(Stream(), "localhost", context), NetError);
        Connected plain = co_await connected();
        EXPECT_THROW(co_await start_tls_client(std::move(plain.client), "", context), UsageError);
        Pair pair = co_await secured(context);
        EXPECT_THROW(co_await start_tls_client(std::move(pair.client), "localhost", context),
                     UsageError);
        Connected ends = co_await connected();
        EXPECT_FALSE(is_tls(ends.client));
        EXPECT_THROW(tls_info(ends.client), UsageError);
      },
      3);
}

TEST(TlsHandshake, AHandshakeThatIsCancelledLeavesNothing) {
  exhaust(
      [](sim::Stage& stage) -> Task<> {
        Connected ends = co_await connected();
        const TlsClientContext context = fresh_client();
        auto pair = co_await stage.run([](Connected& ends, TlsClientContext context) -> Task<Pair> {
          Pair pair;
          co_await gather(shake_client(std::move(ends.client), context, "localhost", pair.client),
                          shake_server(std::move(ends.server), plain_server(), pair.server));
          co_return pair;
        }(ends, context));
        if (!pair) co_return;
        co_await pair->client.write("x");
        const std::string one = co_await pair->server.read_exactly(1);
        EXPECT_EQ(one, "x");
      },
      10);
}

}  // namespace
}  // namespace clearway::tls_tests
