#include <clearway/http/body.hpp>

#include <gtest/gtest.h>

namespace clearway::http {
namespace {

std::string cut_short(BodyDecoder decoder, std::string_view bytes) {
  while (!bytes.empty()) bytes.remove_prefix(decoder.decode(bytes).consumed);
  try {
    decoder.end_of_input();
  } catch (const Truncated& error) {
    return error.what();
  }
  return "complete";
}

TEST(BodyDecoder, SaysHowMuchIsMissing) {
  EXPECT_EQ(cut_short(BodyDecoder(BodyKind::Length, 100), "0123456789"),
            "body cut short: got 10 of 100 bytes");
  EXPECT_EQ(cut_short(BodyDecoder(BodyKind::Chunked, 0), "5\r\nhello\r\n"),
            "body cut short: got 5 bytes and no last chunk");
  EXPECT_EQ(cut_short(BodyDecoder(BodyKind::Chunked, 0), "5\r\nhello\r\n0\r\n"),
            "body cut short: got 5 bytes and no last chunk");
  EXPECT_EQ(cut_short(BodyDecoder(BodyKind::UntilClose, 0), "hello"), "complete");
  EXPECT_EQ(cut_short(BodyDecoder(), ""), "complete");
}

TEST(BodyDecoder, PiecesLieInTheInput) {
  BodyDecoder decoder(BodyKind::Chunked, 0);
  const std::string input = "5\r\nhello\r\n0\r\nT: 1\r\n\r\nnext";
  const BodyPiece piece = decoder.decode(input);
  EXPECT_EQ(piece.state, BodyState::Data);
  EXPECT_EQ(piece.data.data(), input.data() + 3);
  EXPECT_EQ(piece.consumed, 8u);
  EXPECT_TRUE(decoder.trailers().empty());
  const BodyPiece last = decoder.decode(std::string_view(input).substr(8));
  EXPECT_EQ(last.state, BodyState::End);
  EXPECT_EQ(input.substr(8 + last.consumed), "next");
  EXPECT_TRUE(decoder.done());
  EXPECT_EQ(decoder.trailers().get("t"), "1");
  EXPECT_EQ(decoder.received(), 5u);
}

TEST(BodyDecoder, DoneWithTheLastByte) {
  BodyDecoder decoder(BodyKind::Length, 3);
  EXPECT_EQ(decoder.remaining(), 3u);
  const BodyPiece piece = decoder.decode("abcdef");
  EXPECT_EQ(piece.data, "abc");
  EXPECT_EQ(piece.consumed, 3u);
  EXPECT_TRUE(decoder.done());
  EXPECT_EQ(decoder.decode("def").consumed, 0u);
}

TEST(BodyDecoder, FailureStays) {
  BodyDecoder decoder(BodyKind::Chunked, 0);
  EXPECT_EQ(decoder.decode("zz").state, BodyState::Failed);
  EXPECT_EQ(decoder.decode("0\r\n\r\n").state, BodyState::Failed);
  EXPECT_FALSE(decoder.done());
  EXPECT_THROW(decoder.end_of_input(), ProtocolError);
}

}  // namespace
}  // namespace clearway::http
