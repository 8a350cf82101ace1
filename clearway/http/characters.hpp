#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// Which bytes may stand where, and fast searches for those that may not. Internal to http.
namespace clearway::http::detail {

enum Class : std::uint8_t {
  kToken = 1,       // RFC 9110 section 5.6.2
  kText = 2,        // of a field value or reason: tab, space, visible, obs-text
  kTarget = 4,      // of a request target: anything but controls, space, DEL and '#'
  kHost = 8,        // reg-name, without ',': RFC 3986 section 3.2.2
  kUnreserved = 16  // RFC 3986 section 2.3
};

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> table{};
  auto mark = [&](std::string_view bytes, std::uint8_t as) {
    for (char byte : bytes) table[static_cast<unsigned char>(byte)] |= as;
  };
  for (int byte = 0; byte < 256; ++byte) {
    std::uint8_t& entry = table[static_cast<std::size_t>(byte)];
    const bool alphanumeric = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                              (byte >= 'a' && byte <= 'z');
    if (alphanumeric) entry |= kToken | kHost | kUnreserved;
    if ((byte >= 0x20 && byte != 0x7f) || byte == '\t') entry |= kText;
    if (byte > 0x20 && byte != 0x7f && byte != '#') entry |= kTarget;
  }
  mark("!#$%&'*+-.^_`|~", kToken);
  mark("-._~!$&'()*+;=%", kHost);
  mark("-._~", kUnreserved);
  return table;
}

inline constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

constexpr bool is(char byte, std::uint8_t what) noexcept {
  return (kClasses[static_cast<unsigned char>(byte)] & what) != 0;
}
constexpr bool is_digit(char byte) noexcept { return byte >= '0' && byte <= '9'; }
constexpr char lower(char byte) noexcept {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte;
}
/// 0 to 15, or -1.
constexpr int hex_value(char byte) noexcept {
  if (is_digit(byte)) return byte - '0';
  const char small = lower(byte);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

/// The first byte outside of a class, or `end`.
inline const char* skip(const char* at, const char* end, std::uint8_t what) noexcept {
  while (at != end && is(*at, what)) ++at;
  return at;
}
inline bool all(std::string_view text, std::uint8_t what) noexcept {
  const char* end = text.data() + text.size();
  return skip(text.data(), end, what) == end;
}

#if defined(__SSE2__)
/// The first of the bytes from `at` to `end` that `suspects` marks, sixteen at a time; `at` itself
/// when there are fewer than sixteen from `begin` on, which is where readable memory begins.
template <class Suspects>
inline const char* skip_blocks(const char* begin, const char* at, const char* end,
                               Suspects suspects) noexcept {
  const auto marks = [&](const char* from) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return static_cast<unsigned>(_mm_movemask_epi8(suspects(bytes)));
  };
  for (; end - at >= 16; at += 16) {
    const unsigned found = marks(at);
    if (found != 0) return at + std::countr_zero(found);
  }
  if (at == end || end - begin < 16) return at;
  // The last block overlaps what has been looked at.
  const unsigned found = marks(end - 16) >> (16 - (end - at));
  return found != 0 ? at + std::countr_zero(found) : end;
}

/// Bytes from `first` to `first + count`, as unsigned numbers.
inline __m128i in_range(__m128i bytes, char first, char count) noexcept {
  const __m128i from_first = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
  return _mm_cmpeq_epi8(_mm_min_epu8(from_first, _mm_set1_epi8(count)), from_first);
}
#endif

// Four searches for the first byte in [at, end) that may not stand somewhere. Sixteen bytes at a
// time where the machine has SSE2, which every x86-64 has. `begin` is where readable memory begins.

/// In a field value (so it stops at CR).
inline const char* skip_text(const char* begin, const char* at, const char* end) noexcept {
#if defined(__SSE2__)
  at = skip_blocks(begin, at, end, [](__m128i bytes) {
    const __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    return _mm_or_si128(_mm_andnot_si128(tab, in_range(bytes, 0, 0x1f)), del);
  });
#else
  (void)begin;
  constexpr std::uint64_t ones = 0x0101010101010101ull;
  constexpr std::uint64_t tops = 0x8080808080808080ull;
  while (end - at >= 8) {
    std::uint64_t bytes;
    std::memcpy(&bytes, at, 8);
    // A top bit for every byte below 0x20 and for DEL; the table finds the exact one (and tab).
    const std::uint64_t below = (bytes - ones * 0x20) & ~bytes & tops;
    const std::uint64_t del = bytes ^ (ones * 0x7f);
    if ((below | ((del - ones) & ~del & tops)) != 0) {
      const char* stop = skip(at, at + 8, kText);
      if (stop != at + 8) return stop;
    }
    at += 8;
  }
#endif
  return skip(at, end, kText);
}

/// In a request target (so it stops at a space).
inline const char* skip_target(const char* begin, const char* at, const char* end) noexcept {
#if defined(__SSE2__)
  at = skip_blocks(begin, at, end, [](__m128i bytes) {
    const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    const __m128i hash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#'));
    return _mm_or_si128(in_range(bytes, 0, 0x20), _mm_or_si128(del, hash));
  });
#else
  (void)begin;
#endif
  return skip(at, end, kTarget);
}

/// In a token.
inline const char* skip_token(const char* begin, const char* at, const char* end) noexcept {
#if defined(__SSE2__)
  // Letters and '-', of which most names consist, go by in blocks; the table knows the others.
  for (;; ++at) {
    at = skip_blocks(begin, at, end, [](__m128i bytes) {
      const __m128i small = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
      const __m128i hyphen = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-'));
      return _mm_xor_si128(_mm_or_si128(in_range(small, 'a', 25), hyphen), _mm_set1_epi8(-1));
    });
    if (at == end || !is(*at, kToken)) return at;
  }
#else
  (void)begin;
  return skip(at, end, kToken);
#endif
}

/// In the name of a host (so it stops at ':').
inline const char* skip_host(const char* begin, const char* at, const char* end) noexcept {
#if defined(__SSE2__)
  for (;; ++at) {
    at = skip_blocks(begin, at, end, [](__m128i bytes) {
      const __m128i small = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
      const __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('/'));
      const __m128i usual = _mm_or_si128(in_range(small, 'a', 25), in_range(bytes, '-', 12));
      return _mm_or_si128(_mm_xor_si128(usual, _mm_set1_epi8(-1)), slash);
    });
    if (at == end || !is(*at, kHost)) return at;
  }
#else
  (void)begin;
  return skip(at, end, kHost);
#endif
}

/// Whether `name`, which is a token, is `wanted` whatever its case; `wanted` consists of small
/// letters and '-', for which folding is a bit: no other byte of a token becomes one of them.
template <std::size_t N>
inline bool is_name(std::string_view name, const char (&wanted)[N]) noexcept {
  constexpr std::size_t length = N - 1;
  using Word = std::conditional_t<length >= 8, std::uint64_t, std::uint32_t>;
  if (name.size() != length) return false;
  const auto same = [&](std::size_t at) {
    Word some;
    Word other;
    std::memcpy(&some, name.data() + at, sizeof some);
    std::memcpy(&other, wanted + at, sizeof other);
    return (some | static_cast<Word>(0x2020202020202020ull)) == other;
  };
  for (std::size_t at = 0; at + sizeof(Word) < length; at += sizeof(Word)) {
    if (!same(at)) return false;
  }
  return same(length - sizeof(Word));
}

/// `digits` as a number; false for an empty text, any other byte or an overflow.
constexpr bool parse_decimal(std::string_view digits, std::uint64_t& value) noexcept {
  if (digits.empty()) return false;
  std::uint64_t result = 0;
  for (char digit : digits) {
    if (!is_digit(digit)) return false;
    const auto step = static_cast<std::uint64_t>(digit - '0');
    if (result > (UINT64_MAX - step) / 10) return false;
    result = result * 10 + step;
  }
  value = result;
  return true;
}

/// A byte for a person: 'x', or "byte 0x0D (CR)".
std::string show_byte(char byte);

/// Host and port of a Host field or target: `host`, `host:port`, `[v6]:port`. The reason it is
/// refused, or an empty text. An empty host is allowed only where `may_be_empty`. Where it is part
/// of a longer text, `readable_from` may say where that begins.
std::string_view authority_fault(std::string_view text, bool may_be_empty,
                                 const char* readable_from = nullptr) noexcept;

}  // namespace clearway::http::detail
