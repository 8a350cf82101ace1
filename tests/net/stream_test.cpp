#include <clearway/net/error.hpp>
#include <tests/net/both.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace net_tests {
namespace {

using namespace clearway;
using namespace std::chrono_literals;

TEST(Stream, ReadsSomeOfWhatHasCome) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    co_await ends.client.write("hello");
    std::string all;
    char into[3];
    while (all.size() < 5) {
      const std::size_t count = co_await ends.server.read_some(into);
      EXPECT_GE(count, 1U);
      EXPECT_LE(count, 3U);
      all.append(into, count);
    }
    EXPECT_EQ(all, "hello");
    EXPECT_EQ(ends.client.bytes_written(), 5U);
    EXPECT_EQ(ends.server.bytes_read(), 5U);
    ends.client.close();
    const std::size_t none = co_await ends.server.read_some(into);
    EXPECT_EQ(none, 0U);
    const std::size_t still = co_await ends.server.read_some(into);
    EXPECT_EQ(still, 0U) << "the end is not an event of once";
    EXPECT_TRUE(ends.server.ended());
    const std::size_t empty = co_await ends.server.read_some(std::span<char>());
    EXPECT_EQ(empty, 0U);
  });
}

TEST(Stream, ReadsPiecesUntilTheEnd) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    co_await ends.client.write("some text");
    ends.client.close();
    std::string all;
    while (auto piece = co_await ends.server.read_some(4)) {
      EXPECT_LE(piece->size(), 4U);
      EXPECT_FALSE(piece->empty());
      all += *piece;
    }
    EXPECT_EQ(all, "some text");
  });
}

TEST(Stream, ReadsLines) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    co_await ends.client.write("one\r\ntwo\n\nthree\rfour\r\n\r\nlast");
    co_await ends.client.shutdown_write();
    std::vector<std::string> lines;
    while (auto line = co_await ends.server.read_line()) lines.push_back(*line);
    const std::vector<std::string> expected = {"one", "two", "", "three\rfour", "", "last"};
    EXPECT_EQ(lines, expected);
  });
}

TEST(Stream, ReadsExactlyAndUntilAndAll) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    co_await ends.client.write("12345head--rest--of it");
    ends.client.close();
    const std::string five = co_await ends.server.read_exactly(5);
    EXPECT_EQ(five, "12345");
    const std::string none = co_await ends.server.read_exactly(0);
    EXPECT_EQ(none, "");
    const std::string head = co_await ends.server.read_until("--");
    EXPECT_EQ(head, "head--");
    const std::string rest = co_await ends.server.read_until("--", 6);
    EXPECT_EQ(rest, "rest--") << "as long as the limit";
    const std::string all = co_await ends.server.read_all();
    EXPECT_EQ(all, "of it");
  });
}

TEST(Stream, AnEndTooEarlyKeepsWhatCame) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    co_await ends.client.write("abc");
    ends.client.close();
    try {
      const std::string more = co_await ends.server.read_exactly(10);
      ADD_FAILURE() << more;
    } catch (const EndOfStream& error) {
      EXPECT_EQ(error.received(), 3U);
      EXPECT_NE(std::string(error.what()).find("3 of 10 bytes"), std::string::npos);
    }
    try {
      const std::string more = co_await ends.server.read_until("\n");
      ADD_FAILURE() << more;
    } catch (const EndOfStream& error) {
      EXPECT_EQ(error.received(), 3U);
    }
    EXPECT_EQ(ends.server.buffered(), "abc");
    const std::string all = co_await ends.server.read_all();
    EXPECT_EQ(all, "abc");
  });
}

TEST(Stream, LimitsHoldAndLeaveTheBytes) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    co_await ends.client.write("0123456789\n");
    EXPECT_THROW(co_await ends.server.read_line(9), LimitExceeded);
    EXPECT_THROW(co_await ends.server.read_until("\n", 10), LimitExceeded);
    EXPECT_THROW(co_await ends.server.read_all(5), LimitExceeded);
    auto line = co_await ends.server.read_line(10);
    EXPECT_EQ(line, "0123456789");
    EXPECT_THROW(co_await ends.server.read_until(""), UsageError);
  });
}

TEST(Stream, TheBufferIsTheCallersToParse) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    co_await ends.client.write("GET / ");
    while (ends.server.buffered().size() < 6) {
      const std::size_t count = co_await ends.server.fill();
      EXPECT_GT(count, 0U);
    }
    EXPECT_EQ(ends.server.buffered(), "GET / ");
    ends.server.consume(4);
    EXPECT_EQ(ends.server.buffered(), "/ ");
    char into[1];
    const std::size_t one = co_await ends.server.read_some(into);
    EXPECT_EQ(one, 1U);
    EXPECT_EQ(into[0], '/');
    ReadBuffer lent = ends.server.take_buffer();
    EXPECT_EQ(lent.view(), " ");
    EXPECT_TRUE(ends.server.buffered().empty());
    ends.server.give_buffer(std::move(lent));
    EXPECT_EQ(ends.server.buffered(), " ");
    ends.client.close();
    const std::size_t end = co_await ends.server.fill();
    EXPECT_EQ(end, 0U);
  });
}

TEST(Stream, WaitsForSomethingToReadWithoutMemory) {
  over_both(
      []() -> Task<> {
        Connected ends = co_await connected();
        auto early = co_await move_on_after(5ms, ends.server.wait_readable());
        EXPECT_FALSE(early.has_value());
        co_await ends.client.write("x");
        co_await ends.server.wait_readable();
        const std::size_t count = co_await ends.server.fill();
        EXPECT_EQ(count, 1U);
      },
      50);
}

TEST(Stream, GathersPiecesOfAllSizes) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    const std::vector<std::string_view> pieces = {"a", "",  "bc", "def", "",  "g", "h",
                                                  "i", "j", "k",  "l",   "m", ""};
    co_await ends.client.write_views(pieces);
    co_await ends.client.write_views({});
    co_await ends.client.write("");
    co_await ends.client.write_view("!");
    ends.client.close();
    const std::string all = co_await ends.server.read_all();
    EXPECT_EQ(all, "abcdefghijklm!");
  });
}

TEST(Stream, WriteSomeSaysHowMuch) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    const std::size_t count = co_await ends.client.write_some("abc");
    EXPECT_GE(count, 1U);
    EXPECT_LE(count, 3U);
    EXPECT_EQ(ends.client.bytes_written(), count);
    const std::size_t none = co_await ends.client.write_some("");
    EXPECT_EQ(none, 0U);
    const std::string got = co_await ends.server.read_exactly(count);
    EXPECT_EQ(got, std::string("abc").substr(0, count));
  });
}

// More in both directions than any buffer holds: each side must be able to do both at once.
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
  Connected ends = co_await connected();
  std::string data(size, '\0');
  for (std::size_t index = 0; index < size; ++index) {
    data[index] = static_cast<char>(index * 2654435761U >> 13);
  }
  auto results = co_await gather(write_and_end(ends.client, data), echo(ends.server),
                                 ends.client.read_all(size));
  EXPECT_TRUE(std::get<2>(results) == data);
}

TEST(Stream, EchoesMoreThanAllBuffersHold) {
  run(many_bytes(8'000'000));
  clearway::sim::run_seeds(20, [] { return many_bytes(300'000); });
}

TEST(Stream, AResetIsAnErrorWithPeerAndReason) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    ends.client.reset();
    EXPECT_FALSE(ends.client.is_open());
    try {
      const std::size_t count = co_await ends.server.fill();
      ADD_FAILURE() << count;
    } catch (const NetError& error) {
      EXPECT_EQ(error.phase(), NetPhase::read);
      EXPECT_EQ(error.code(), ECONNRESET);
      EXPECT_EQ(std::string(error.what()), "cannot read from " + ends.server.peer().to_string() +
                                               ": Connection reset by peer");
    }
  });
}

TEST(Stream, WritingToAPeerThatHasGoneFails) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    ends.client.close();
    int code = 0;
    for (int round = 0; round < 100 && code == 0; ++round) {
      try {
        co_await ends.server.write("x");
      } catch (const NetError& error) {
        EXPECT_EQ(error.phase(), NetPhase::write);
        code = error.code();
      }
      co_await sleep(1ms);
    }
    EXPECT_TRUE(code == EPIPE || code == ECONNRESET) << code;
  });
}

TEST(Stream, MisuseIsNamed) {
  over_both([]() -> Task<> {
    Stream closed;
    EXPECT_THROW(co_await closed.fill(), NetError);
    EXPECT_THROW(co_await closed.write("x"), NetError);
    EXPECT_THROW(co_await closed.shutdown_write(), NetError);
    EXPECT_THROW(static_cast<void>(closed.local()), NetError);
    Connected ends = co_await connected();
    try {
      co_await gather(ends.server.fill(), ends.server.fill());
      ADD_FAILURE() << "two readers";
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find("two tasks read from"), std::string::npos);
    }
    co_await ends.client.write("x");
    const std::size_t count = co_await ends.server.fill();
    EXPECT_EQ(count, 1U) << "the stream is as it was";
  });
}

TEST(Stream, MovesWithItsBuffer) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    co_await ends.client.write("ab\ncd\n");
    auto line = co_await ends.server.read_line();
    EXPECT_EQ(line, "ab");
    Stream moved = std::move(ends.server);
    EXPECT_FALSE(ends.server.is_open());
    line = co_await moved.read_line();
    EXPECT_EQ(line, "cd");
    moved = Stream();
    const std::string nothing = co_await ends.client.read_all();
    EXPECT_EQ(nothing, "");
  });
}

TEST(Stream, AReleasedHandleStaysOpen) {
  over_both([]() -> Task<> {
    Connected ends = co_await connected();
    const Address peer = ends.server.peer();
    const Handle handle = ends.server.release();
    EXPECT_FALSE(ends.server.is_open());
    Stream again(handle, peer);
    co_await again.write("still here");
    again.close();
    const std::string text = co_await ends.client.read_all();
    EXPECT_EQ(text, "still here");
  });
}

// Cancellation at every suspension: what had come is there for the next reader, byte for byte.

const std::string message = "alpha\r\nbeta\ngamma delta epsilon--zeta";

Task<> send_slowly(Stream& stream) {
  for (const char byte : message) {
    co_await sleep(100us);
    co_await stream.write(std::string(1, byte));
  }
  stream.close();
}

// Runs `operation`, which gives text that it took off the stream, while the message trickles in.
Task<> interrupted(clearway::sim::Stage& stage, Task<std::string> (*operation)(Stream& stream)) {
  Connected ends = co_await connected();
  std::string got;
  const auto read = [&]() -> Task<> {
    auto part = co_await stage.run(operation(ends.server));
    if (part) got = *part;
    got += co_await ends.server.read_all();
  };
  co_await gather(send_slowly(ends.client), read());
  EXPECT_EQ(got, message);
  EXPECT_EQ(ends.server.bytes_read(), message.size());
}

TEST(StreamCancellation, ReadsLoseNothing) {
  using Operation = Task<std::string> (*)(Stream&);
  const std::vector<Operation> operations = {
      [](Stream& stream) -> Task<std::string> { co_return co_await stream.read_exactly(17); },
      [](Stream& stream) -> Task<std::string> { co_return co_await stream.read_until("--"); },
      [](Stream& stream) -> Task<std::string> { co_return co_await stream.read_all(); },
      [](Stream& stream) -> Task<std::string> {
        auto piece = co_await stream.read_some(20);
        co_return piece.value_or("");
      },
      [](Stream& stream) -> Task<std::string> {
        auto line = co_await stream.read_line();
        co_return line.value_or("") + "\r\n";
      },
      [](Stream& stream) -> Task<std::string> {
        co_await stream.wait_readable();
        const std::size_t count = co_await stream.fill();
        EXPECT_GT(count, 0U);
        co_return "";
      },
      [](Stream& stream) -> Task<std::string> {
        char into[7];
        const std::size_t count = co_await stream.read_some(into);
        co_return std::string(into, count);
      },
  };
  for (std::size_t index = 0; index < operations.size(); ++index) {
    SCOPED_TRACE(index);
    exhaust([&](clearway::sim::Stage& stage) { return interrupted(stage, operations[index]); });
  }
}

// What a cancelled write says it sent is what arrives.
TEST(StreamCancellation, AWriteKnowsHowMuchItSent) {
  exhaust(
      [](clearway::sim::Stage& stage) -> Task<> {
        Connected ends = co_await connected();
        const std::string data(200'000, 'x');  // three times what a simulated connection holds
        std::size_t arrived = 0;
        const auto drain = [&]() -> Task<> {
          std::array<char, 9000> piece;
          for (;;) {
            co_await sleep(2ms);
            const std::size_t count = co_await ends.server.read_some(piece);
            if (count == 0) break;
            arrived += count;
          }
        };
        const auto send = [&]() -> Task<> {
          auto done = co_await stage.run(ends.client.write_view(data));
          if (done) {
            EXPECT_EQ(ends.client.bytes_written(), data.size());
          }
          ends.client.close();
        };
        co_await gather(drain(), send());
        EXPECT_EQ(arrived, ends.client.bytes_written());
      },
      5);
}

}  // namespace
}  // namespace net_tests
