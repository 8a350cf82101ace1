// The searches that look at sixteen bytes at a time find what looking at each byte would.

#include <clearway/http/characters.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace clearway::http::detail {
namespace {

using Search = const char* (*)(const char* begin, const char* at, const char* end);

// Puts every byte at every place of texts around the length of a block, with `usual` around it.
void compare_with_table(Search search, std::uint8_t what, char usual) {
  for (std::size_t length = 1; length <= 36; ++length) {
    std::string text(length, usual);
    for (std::size_t place = 0; place < length; ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        text[place] = static_cast<char>(byte);
        const char* const begin = text.data();
        for (const std::size_t from : {std::size_t{0}, place / 2, place}) {
          const char* const found = search(begin, begin + from, begin + length);
          const char* const expected = skip(begin + from, begin + length, what);
          ASSERT_EQ(found - begin, expected - begin)
              << "byte " << byte << " at " << place << " of " << length << ", from " << from;
        }
      }
      text[place] = usual;
    }
  }
}

TEST(CharactersTest, FieldValues) { compare_with_table(skip_text, kText, 'x'); }
TEST(CharactersTest, Targets) { compare_with_table(skip_target, kTarget, '/'); }
TEST(CharactersTest, Tokens) { compare_with_table(skip_token, kToken, '-'); }
TEST(CharactersTest, TokensOfRareBytes) { compare_with_table(skip_token, kToken, '7'); }
TEST(CharactersTest, Hosts) { compare_with_table(skip_host, kHost, '.'); }

TEST(CharactersTest, BytesBehindTheEndAreNotLookedAt) {
  const std::string text = "0123456789abcdef\r\n0123456789abcdef";
  const char* const begin = text.data();
  EXPECT_EQ(skip_text(begin, begin + 3, begin + 16), begin + 16);
  EXPECT_EQ(skip_text(begin, begin + 3, begin + 17), begin + 16);
  EXPECT_EQ(skip_text(begin + 14, begin + 14, begin + 18), begin + 16);
}

// What decides about framing must not be decided by bytes that only look like letters.
TEST(CharactersTest, NamesAreComparedWithoutCaseAndExactly) {
  EXPECT_TRUE(is_name("Content-Length", "content-length"));
  EXPECT_TRUE(is_name("CONTENT-LENGTH", "content-length"));
  EXPECT_TRUE(is_name("hOST", "host"));
  EXPECT_FALSE(is_name("Content_Length", "content-length"));
  EXPECT_FALSE(is_name("Content-Lengt", "content-length"));
  for (const std::string_view name : {"host", "upgrade", "connection", "transfer-encoding"}) {
    for (std::size_t place = 0; place < name.size(); ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string other(name);
        other[place] = static_cast<char>(byte);
        if (!is(other[place], kToken)) continue;
        const bool same = lower(other[place]) == name[place];
        const bool found = is_name(other, "host") || is_name(other, "upgrade") ||
                           is_name(other, "connection") || is_name(other, "transfer-encoding");
        EXPECT_EQ(found, same) << other;
      }
    }
  }
}

}  // namespace
}  // namespace clearway::http::detail
