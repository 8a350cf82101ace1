#pragma once

#include <cstddef>
#include <cstdint>

namespace clearway::http {

/// What a peer may make us hold or read. Every limit is finite, and holds however the bytes are
/// cut into pieces; it is checked before anything is allocated. Sizes are in bytes.
struct Limits {
  std::size_t method = 32;                   ///< a longer method: 501
  std::size_t target = 8 * 1024;             ///< a longer request target: 414
  std::size_t line = 8 * 1024;               ///< a longer header line (or status line): 431
  std::size_t head = 64 * 1024;              ///< start line and headers together: 431
  std::size_t headers = 100;                 ///< number of fields: 431
  std::size_t trailer = 8 * 1024;            ///< all trailer fields of a chunked body together
  std::size_t trailers = 32;                 ///< number of trailer fields
  std::size_t chunk_extensions = 16 * 1024;  ///< of all chunks of one body together

  /// For requests: what strangers may send to a server.
  static constexpr Limits server() { return {}; }

  /// For responses: servers that one chose to ask send longer cookies and policies.
  static constexpr Limits client() {
    Limits limits;
    limits.line = 64 * 1024;
    limits.head = 256 * 1024;
    limits.headers = 256;
    return limits;
  }
};

}  // namespace clearway::http
