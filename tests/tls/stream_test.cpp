// Streams do over TLS what they do without it; and what only TLS has to get right.

#include <array>
#include <cstdio>

#include <clearway/tls/transport.hpp>
#include <tests/tls/tls_world.hpp>

namespace clearway::tls_tests {
namespace {

using namespace std::chrono_literals;

std::string pattern(std::size_t size) {
  std::string data(size, '\0');
  for (std::size_t index = 0; index < size; ++index) {
    data[index] = static_cast<char>(index * 2654435761U >> 13);
  }
  return data;
}

Task<> write_and_end(Stream& stream, std::string data) {
  co_await stream.write_view(data);
  co_await stream.shutdown_write();
}

Task<> echo(Stream& stream) {
  std::array<char, 3000> piece;
  for (;;) {
    const std::size_t count = co_await stream.read_some(piece);
    if (count == 0) break;
    co_await stream.write_view(std::string_view(piece.data(), count));
  }
  co_await stream.shutdown_write();
}

Task<> many_bytes(std::size_t size) {
  Pair pair = co_await secured(fresh_client());
  const std::string data = pattern(size);
  auto results = co_await gather(write_and_end(pair.client, data), echo(pair.server),
                                 pair.client.read_all(size));
  EXPECT_TRUE(std::get<2>(results) == data);
}

TEST(TlsStream, EchoesMoreThanAllBuffersHold) {
  run(many_bytes(8'000'000));
  sim::run_seeds(10, [] { return many_bytes(300'000); });
}

TEST(TlsStream, GathersPieces) {
  over_both(
      []() -> Task<> {
        Pair pair = co_await secured(fresh_client());
        const std::string large = pattern(50'000);
        const std::vector<std::string_view> pieces = {"a", "",    "bc", large, "def", "", "g",
                                                      "h", large, "i",  "j",   "k",   "l"};
        std::string expected;
        for (const std::string_view piece : pieces) expected += piece;
        co_await task_group([&](TaskGroup& group) -> Task<> {
          group.start([&]() -> Task<> {
            co_await pair.client.write_views(pieces);
            co_await pair.client.write("");
            co_await pair.client.shutdown_write();
          });
          const std::string all = co_await pair.server.read_all();
          EXPECT_TRUE(all == expected);
        });
        EXPECT_EQ(pair.client.bytes_written(), expected.size());
        EXPECT_THROW(co_await pair.client.write("more"), NetError);
      },
      20);
}

TEST(TlsStream, BothDirectionsEndOnTheirOwn) {
  over_both(
      []() -> Task<> {
        Pair pair = co_await secured(fresh_client());
        co_await pair.client.write("question");
        co_await pair.client.shutdown_write();
        const std::string question = co_await pair.server.read_all();
        EXPECT_EQ(question, "question");
        EXPECT_TRUE(pair.server.ended());
        co_await pair.server.write("answer");
        pair.server.close();
        const std::string answer = co_await pair.client.read_all();
        EXPECT_EQ(answer, "answer") << "close() says goodbye as well";
      },
      50);
}

TEST(TlsStream, WaitsUntilThereIsSomethingToRead) {
  over_both(
      []() -> Task<> {
        Pair pair = co_await secured(fresh_client());
        // The server's tickets are no bytes of the stream.
        auto early = co_await move_on_after(5ms, pair.client.wait_readable());
        EXPECT_FALSE(early.has_value());
        co_await pair.server.write("x");
        co_await pair.client.wait_readable();
        co_await pair.client.wait_readable();
        const std::size_t count = co_await pair.client.fill();
        EXPECT_EQ(count, 1U);
        early = co_await move_on_after(5ms, pair.client.wait_readable());
        EXPECT_FALSE(early.has_value());
        pair.server.close();
        co_await pair.client.wait_readable();
        const std::size_t end = co_await pair.client.fill();
        EXPECT_EQ(end, 0U);
      },
      50);
}

// The socket ends, and TLS did not.
TEST(TlsStream, AStreamThatIsCutShortIsNoEnd) {
  over_both(
      []() -> Task<> {
        Pair pair = co_await secured(fresh_client());
        co_await pair.server.write("all that");
        Loop::current().driver().shutdown(pair.server.handle(), SHUT_WR);
        const std::string some = co_await pair.client.read_exactly(8);
        EXPECT_EQ(some, "all that");
        for (int round = 0; round < 2; ++round) {
          try {
            const std::size_t count = co_await pair.client.fill();
            ADD_FAILURE() << count;
          } catch (const TlsError& error) {
            EXPECT_EQ(error.reason(), TlsReason::truncated);
            EXPECT_EQ(error.phase(), NetPhase::read);
            EXPECT_TRUE(has(error.what(), "without TLS's goodbye")) << error.what();
          }
        }
        EXPECT_FALSE(pair.client.ended());
      },
      50);
}

TEST(TlsStream, AResetIsAnError) {
  over_both(
      []() -> Task<> {
        Pair pair = co_await secured(fresh_client());
        co_await pair.server.write("x");
        const std::string one = co_await pair.client.read_exactly(1);
        EXPECT_EQ(one, "x");
        pair.server.reset();
        EXPECT_THROW(co_await pair.client.fill(), NetError);
      },
      50);
}

TEST(TlsStream, DamagedBytesAreNotPassedOn) {
  over_both(
      []() -> Task<> {
        Pair pair = co_await secured(fresh_client());
        // A record of application data that nobody has encrypted.
        Stream raw(pair.server.handle(), pair.server.peer());
        co_await raw.write(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
        static_cast<void>(raw.release());
        try {
          const std::size_t count = co_await pair.client.fill();
          ADD_FAILURE() << count;
        } catch (const TlsError& error) {
          EXPECT_EQ(error.reason(), TlsReason::damaged) << error.what();
        }
        EXPECT_THROW(co_await pair.client.write("x"), TlsError);
      },
      20);
}

TEST(TlsStream, AWriterWaitsForASlowReader) {
  over_both(
      []() -> Task<> {
        Pair pair = co_await secured(fresh_client());
        const std::string data = pattern(6'000'000);
        std::uint64_t before = 0;
        auto late = co_await move_on_after(20ms, pair.client.write_view(data));
        EXPECT_FALSE(late.has_value());
        before = pair.client.bytes_written();
        EXPECT_GT(before, 0U);
        EXPECT_LT(before, data.size());
        // What counts as written arrives, whole, and before what is written next.
        co_await task_group([&](TaskGroup& group) -> Task<> {
          group.start(write_and_end, std::ref(pair.client), std::string("next"));
          const std::string all = co_await pair.server.read_all(10'000'000);
          EXPECT_TRUE(all == data.substr(0, before) + "next");
        });
      },
      2);
}

// Conservation: what was written and not read by a cancelled read is read by the next one.
TEST(TlsStream, ACancelledReadLosesNothing) {
  const TlsClientContext context = fresh_client();
  exhaust(
      [&](sim::Stage& stage) -> Task<> {
        Pair pair = co_await secured(context);
        const std::string data = pattern(40'000);
        std::string got;
        co_await task_group([&](TaskGroup& group) -> Task<> {
          group.start(write_and_end, std::ref(pair.server), data);
          std::array<char, 7000> into;
          auto count = co_await stage.run(pair.client.read_some(into));
          if (count) got.assign(into.data(), *count);
          got += co_await pair.client.read_all();
        });
        EXPECT_TRUE(got == data);
        EXPECT_EQ(pair.client.bytes_read(), data.size());
      },
      30);
}

TEST(TlsStream, ACancelledWaitTakesNothing) {
  const TlsClientContext context = fresh_client();
  exhaust(
      [&](sim::Stage& stage) -> Task<> {
        Pair pair = co_await secured(context);
        co_await task_group([&](TaskGroup& group) -> Task<> {
          group.start(write_and_end, std::ref(pair.server), std::string("data"));
          co_await stage.run(pair.client.wait_readable());
          const std::string all = co_await pair.client.read_all();
          EXPECT_EQ(all, "data");
        });
      },
      30);
}

TEST(TlsStream, ACancelledWriteSaysHowMuchItWrote) {
  const TlsClientContext context = fresh_client();
  exhaust(
      [&](sim::Stage& stage) -> Task<> {
        Pair pair = co_await secured(context);
        const std::string data = pattern(200'000);
        co_await task_group([&](TaskGroup& group) -> Task<> {
          auto reader = group.start(
              [&]() -> Task<std::string> { co_return co_await pair.server.read_all(300'000); });
          co_await stage.run(pair.client.write_view(data));
          const std::uint64_t written = pair.client.bytes_written();
          co_await pair.client.write("end");
          co_await pair.client.shutdown_write();
          const std::string& all = co_await reader;
          EXPECT_TRUE(all == data.substr(0, written) + "end");
        });
      },
      10);
}

TEST(TlsStream, ACloseInTheMiddleLeavesNothing) {
  const TlsClientContext context = fresh_client();
  exhaust(
      [&](sim::Stage& stage) -> Task<> {
        Pair pair = co_await secured(context);
        const std::string data = pattern(200'000);
        co_await stage.run([](Pair& pair, const std::string* data) -> Task<> {
          co_await gather(pair.client.write_view(*data), pair.server.read_exactly(200'000));
        }(pair, &data));
        pair.client.close();
        pair.server.reset();
      },
      20);
}

TEST(TlsStream, MovesWithWhatItHolds) {
  over_both(
      []() -> Task<> {
        Pair pair = co_await secured(fresh_client());
        co_await pair.server.write("ab\ncd\n");
        auto line = co_await pair.client.read_line();
        EXPECT_EQ(line, "ab");
        Stream moved = std::move(pair.client);
        EXPECT_FALSE(pair.client.is_open());
        EXPECT_EQ(pair.client.transport(), nullptr);
        line = co_await moved.read_line();
        EXPECT_EQ(line, "cd");
      },
      10);
}

// A file goes through the records, piece by piece.
class PatternFile {
 public:
  explicit PatternFile(std::size_t size) : file_(std::tmpfile()) {
    const std::string data = pattern(size);
    EXPECT_EQ(std::fwrite(data.data(), 1, size, file_), size);
    EXPECT_EQ(std::fflush(file_), 0);
  }
  PatternFile(const PatternFile&) = delete;
  PatternFile& operator=(const PatternFile&) = delete;
  ~PatternFile() { std::fclose(file_); }
  int descriptor() const { return ::fileno(file_); }
  static std::string path() { return "pattern"; }

 private:
  std::FILE* file_;
};

TEST(TlsStream, SendsFiles) {
  const PatternFile file(300'000);
  over_both(
      [&]() -> Task<> {
        Pair pair = co_await secured(fresh_client());
        const auto send = [&]() -> Task<> {
          co_await pair.client.send_file(file, 1000, 250'000);
          co_await pair.client.shutdown_write();
        };
        const auto [nothing, all] = co_await gather(send(), pair.server.read_all(300'000));
        EXPECT_TRUE(all == pattern(300'000).substr(1000, 250'000));
        EXPECT_EQ(pair.client.bytes_written(), 250'000U);
        EXPECT_THROW(co_await pair.server.send_file(file, 299'999, 2), FileCutShort);
      },
      10);
}

}  // namespace
}  // namespace clearway::tls_tests
