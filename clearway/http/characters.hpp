#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// Which bytes may stand where, and fast searches for those that may not. Internal to http.
namespace clearway::http::detail {

enum Class : std::uint8_t {
  kToken = 1,       // RFC 9110 section 5.6.2
  kText = 2,        // of a field value or reason: tab, space, visible, obs-text
  kTarget = 4,      // of a request target: anything but controls, space, DEL and '#'
  kHost = 8,        // reg-name and port, without ',': RFC 3986 section 3.2.2
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
  mark("-._~!$&'()*+;=%:", kHost);
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

/// The first byte that may not stand in a field value (CR among them), or `end`. Sixteen bytes at a
/// time where the machine has SSE2, which every x86-64 has; elsewhere eight at a time.
inline const char* skip_text(const char* at, const char* end) noexcept {
#if defined(__SSE2__)
  const __m128i last_control = _mm_set1_epi8(0x1f);
  const __m128i tab = _mm_set1_epi8('\t');
  const __m128i del = _mm_set1_epi8(0x7f);
  while (end - at >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
    const __m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), control),
                                     _mm_cmpeq_epi8(bytes, del));
    const int mask = _mm_movemask_epi8(bad);
    if (mask != 0) return at + std::countr_zero(static_cast<unsigned>(mask));
    at += 16;
  }
#else
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

/// The same for a request target: stops at a space, a control byte, DEL or '#'.
inline const char* skip_target(const char* at, const char* end) noexcept {
#if defined(__SSE2__)
  const __m128i space = _mm_set1_epi8(0x20);
  const __m128i del = _mm_set1_epi8(0x7f);
  const __m128i hash = _mm_set1_epi8('#');
  while (end - at >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i bad =
        _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, space), bytes),
                     _mm_or_si128(_mm_cmpeq_epi8(bytes, del), _mm_cmpeq_epi8(bytes, hash)));
    const int mask = _mm_movemask_epi8(bad);
    if (mask != 0) return at + std::countr_zero(static_cast<unsigned>(mask));
    at += 16;
  }
#endif
  return skip(at, end, kTarget);
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
/// refused, or an empty text. An empty host is allowed only where `may_be_empty`.
std::string_view authority_fault(std::string_view text, bool may_be_empty) noexcept;

}  // namespace clearway::http::detail
