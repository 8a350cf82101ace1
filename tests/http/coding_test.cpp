#include <clearway/http/coding.hpp>
#include <clearway/http/media.hpp>
#include <clearway/http/query.hpp>

#include <gtest/gtest.h>

namespace clearway::http {
namespace {

std::string text_of(std::size_t size) {
  std::string text;
  for (unsigned i = 0; text.size() < size; ++i) text += std::to_string(i * 2654435761u) + " words ";
  text.resize(size);
  return text;
}

std::string decode(Coding coding, std::string_view input, std::size_t step,
                   const DecodeLimits& limits = {}, std::size_t at_most = 1000) {
  Decompressor decoder(coding, limits);
  std::string out;
  while (!input.empty() || decoder.pending()) {
    const std::size_t had = out.size();
    input.remove_prefix(decoder.decode(input.substr(0, step), out, at_most));
    EXPECT_LE(out.size() - had, at_most);
  }
  decoder.finish();
  return out;
}

// Python's zlib.compress(b"hello hello hello", 9), and the same without its frame.
constexpr std::string_view kZlib("\x78\xda\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x00\x3a\x2e\x06\x7d",
                                 16);

TEST(Decompressor, GzipInAnyPieces) {
  const std::string text = text_of(50000);
  const std::string packed = gzip(text);
  EXPECT_LT(packed.size(), text.size());
  for (std::size_t step : {std::size_t{1}, std::size_t{7}, packed.size()}) {
    EXPECT_EQ(decode(Coding::Gzip, packed, step), text);
  }
}

TEST(Decompressor, SeveralMembersAndPadding) {
  const std::string packed = gzip("one ") + gzip("") + gzip("two") + std::string(20, '\0');
  EXPECT_EQ(decode(Coding::Gzip, packed, 1), "one two");
  EXPECT_EQ(decode(Coding::Gzip, packed, packed.size()), "one two");
}

TEST(Decompressor, BothKindsOfDeflate) {
  EXPECT_EQ(decode(Coding::Deflate, kZlib, 1), "hello hello hello");
  const std::string_view raw = kZlib.substr(2, kZlib.size() - 6);
  EXPECT_EQ(decode(Coding::Deflate, raw, 1), "hello hello hello");
}

TEST(Decompressor, Damage) {
  const std::string packed = gzip(text_of(1000));
  EXPECT_THROW(decode(Coding::Gzip, packed.substr(0, packed.size() - 1), 100), DecodeError);
  EXPECT_THROW(decode(Coding::Gzip, packed.substr(0, 5), 100), DecodeError);
  EXPECT_THROW(decode(Coding::Gzip, packed + "junk", 100), DecodeError);
  EXPECT_THROW(decode(Coding::Gzip, "not gzip at all", 100), DecodeError);
  EXPECT_THROW(decode(Coding::Deflate, std::string(kZlib) + "x", 100), DecodeError);
  std::string flipped = packed;
  flipped[flipped.size() - 6] ^= 1;
  EXPECT_THROW(decode(Coding::Gzip, flipped, 100), DecodeError);
  EXPECT_EQ(decode(Coding::Gzip, "", 1), "");
}

TEST(Decompressor, Bombs) {
  const std::string bomb = gzip(std::string(std::size_t{8} << 20, '\0'), 9);
  DecodeLimits size;
  size.output = 1 << 20;
  EXPECT_THROW(decode(Coding::Gzip, bomb, bomb.size(), size, 65536), TooLarge);
  DecodeLimits ratio;
  ratio.ratio = 100;
  EXPECT_THROW(decode(Coding::Gzip, bomb, bomb.size(), ratio, 65536), TooLarge);
  EXPECT_EQ(decode(Coding::Gzip, bomb, bomb.size(), {}, 65536).size(), std::size_t{8} << 20);
}

TEST(Codings, Names) {
  EXPECT_EQ(parse_content_encoding(" GZip "), Coding::Gzip);
  EXPECT_EQ(parse_content_encoding("deflate"), Coding::Deflate);
  EXPECT_EQ(parse_content_encoding("identity"), Coding::Identity);
  EXPECT_THROW(parse_content_encoding("br"), DecodeError);
  EXPECT_THROW(parse_content_encoding("gzip, gzip"), DecodeError);
  EXPECT_TRUE(accepts_gzip("deflate, gzip;q=0.5"));
  EXPECT_TRUE(accepts_gzip("*"));
  EXPECT_FALSE(accepts_gzip("gzip;q=0, *"));
  EXPECT_FALSE(accepts_gzip("br"));
  EXPECT_FALSE(accepts_gzip(""));
}

TEST(Media, ContentType) {
  const MediaType html = MediaType::parse("Text/HTML; charset=\"UTF-8\"; x=1");
  EXPECT_EQ(html.essence(), "text/html");
  EXPECT_EQ(html.charset, "utf-8");
  EXPECT_EQ(MediaType::parse("multipart/form-data; boundary=\"a;b\\\"\"").boundary, "a;b\"");
  EXPECT_EQ(MediaType::parse("multipart/form-data; x; boundary=AbC").boundary, "AbC");
  EXPECT_TRUE(MediaType::parse("application/problem+json").is_json());
  EXPECT_TRUE(MediaType::parse("application/json;charset=utf-8").is_json());
  EXPECT_FALSE(MediaType::parse("text/plain").is_json());
  EXPECT_EQ(MediaType::parse("nonsense").essence(), "");
  EXPECT_EQ(MediaType::parse("text/html; charset=\"open").charset, "");
}

TEST(Media, BasicAuthAndBase64) {
  EXPECT_EQ(basic_auth("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(basic_auth("", ""), "Basic Og==");
  EXPECT_THROW(basic_auth("a:b", "c"), HeaderError);
  EXPECT_THROW(basic_auth("a", "c\n"), HeaderError);
  for (const char* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar", "\xff\xfe\xfd"}) {
    EXPECT_EQ(base64_decode(base64_encode(text)), text);
  }
  for (const char* wrong : {"Zg", "Zg=", "Z===", "Zh==", "Zg==Zg==", "Z g=", "===="}) {
    EXPECT_EQ(base64_decode(wrong), std::nullopt) << wrong;
  }
}

TEST(Media, Dates) {
  constexpr std::time_t example = 784111777;
  EXPECT_EQ(format_date(example), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), example);
  EXPECT_EQ(parse_date("Sunday, 06-Nov-94 08:49:37 GMT"), example);
  EXPECT_EQ(parse_date("Sun Nov  6 08:49:37 1994"), example);
  EXPECT_EQ(parse_date(format_date(951782400)), 951782400);
  EXPECT_EQ(parse_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
  for (const char* wrong : {"", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
                            "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Abc 1994 08:49:37 GMT",
                            "Sun, 06 Nov 1994 08:49:37 CET", "1994-11-06"}) {
    EXPECT_EQ(parse_date(wrong), std::nullopt) << wrong;
  }
}

TEST(Query, EncodesAndReads) {
  Query query;
  query.add("a b", "1&2");
  query.add("u", "\xc3\xbc*~");
  query.add("a b", "");
  EXPECT_EQ(query.to_string(), "a+b=1%262&u=%C3%BC*%7E&a+b=");
  EXPECT_EQ(Query::parse(query.to_string()), query);
  query.set("a b", "x");
  EXPECT_EQ(query.size(), 2u);
  EXPECT_EQ(query.get("a b"), "x");
  const Query odd = Query::parse("&&a&=b&c=%zz%4&d=%41=");
  EXPECT_EQ(odd.to_string(), "a=&=b&c=%25zz%254&d=A%3D");
  EXPECT_EQ(Query::parse("a&b&c", 2).size(), 2u);
}

}  // namespace
}  // namespace clearway::http
