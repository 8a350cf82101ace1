#pragma once
// All the parsing that the floor does: how many blank lines (ends of requests) arrived.

#include <bench/support/socket.hpp>
#include <cstddef>
#include <cstring>
#include <string>

namespace bench {

inline constexpr int most_descriptors = 65536;
inline constexpr std::size_t most_answers =
    256;  // per read: 16 KiB hold no more requests than that

// Counts the requests that end in `data`. A blank line may be split over two reads, so one byte per
// connection keeps how much of it the last read ended with.
inline std::size_t count_requests(const char* data, std::size_t size, unsigned char& matched) {
  constexpr const char* blank = "\r\n\r\n";
  std::size_t found = 0;
  const char* at = data;
  const char* const end = data + size;
  if (matched != 0) {
    while (at != end && matched < 4 && *at == blank[matched]) ++at, ++matched;
    if (matched == 4)
      ++found;
    else if (at == end)
      return 0;
    matched = 0;
  }
  while (const void* hit = memmem(at, static_cast<std::size_t>(end - at), blank, 4)) {
    at = static_cast<const char*>(hit) + 4;
    ++found;
  }
  for (std::size_t length = 3; length > 0; --length) {
    if (static_cast<std::size_t>(end - at) < length) continue;
    if (std::memcmp(end - length, blank, length) != 0) continue;
    matched = static_cast<unsigned char>(length);
    break;
  }
  return found;
}

// The answers to the longest pipeline, so that any number of them is one send.
inline std::string many_answers() {
  std::string many;
  for (std::size_t i = 0; i < most_answers; ++i) many += answer;
  return many;
}

}  // namespace bench
