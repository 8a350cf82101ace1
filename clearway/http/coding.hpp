#pragma once

#include <clearway/http/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace clearway::http {

/// A content coding (RFC 9110 section 8.4.1).
enum class Coding : std::uint8_t { Identity, Gzip, Deflate };

/// What a Content-Encoding field means. Throws `DecodeError` for a coding that is not supported,
/// and for more than one: nobody needs a body compressed twice but who means harm.
Coding parse_content_encoding(std::string_view value);

/// For the Accept-Encoding field of requests: "gzip, deflate".
std::string_view accept_encoding() noexcept;

/// Whether a client's Accept-Encoding allows gzip (weights are honoured; RFC 9110 section 12.5.3).
bool accepts_gzip(std::string_view accept_encoding) noexcept;

/// How far a compressed body may grow, since a few bytes can stand for gigabytes.
struct DecodeLimits {
  std::uint64_t output = 1ull << 30;      ///< bytes in all
  std::uint64_t ratio = 1100;             ///< output / input; DEFLATE itself ends near 1032
  std::uint64_t ratio_free = 1ull << 20;  ///< output below this is not judged by its ratio
};

/// Decompresses a body piece by piece, in memory that does not depend on its size.
///
///     while (!input.empty() || decoder.pending()) {
///       input.remove_prefix(decoder.decode(input, output));     // appends at most 64 KB
///       deliver(output); output.clear();
///     }
///     decoder.finish();        // after the body's end
///
/// gzip: several members are read as one body (RFC 1952 section 2.2); zeros that pad the end are
/// skipped. deflate: zlib's format (RFC 1950), or bare DEFLATE, which some servers send.
class Decompressor {
 public:
  explicit Decompressor(Coding coding, const DecodeLimits& limits = {});
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;
  ~Decompressor();

  /// Appends at most `at_most` decoded bytes to `out`; the number of input bytes used. Throws
  /// `DecodeError` for damaged data and `TooLarge` at a limit.
  std::size_t decode(std::string_view input, std::string& out, std::size_t at_most = 64 * 1024);

  /// The last call stopped because `at_most` was reached: call again even without input.
  bool pending() const noexcept;

  /// The body has ended: throws `DecodeError` if it was cut short.
  void finish();

  std::uint64_t input_bytes() const noexcept;
  std::uint64_t output_bytes() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Compresses a body to gzip piece by piece.
class GzipEncoder {
 public:
  /// Level 1 (fast) to 9 (small).
  explicit GzipEncoder(int level = 6);
  GzipEncoder(GzipEncoder&&) noexcept;
  GzipEncoder& operator=(GzipEncoder&&) noexcept;
  ~GzipEncoder();

  /// Appends what is ready; most of it may come with a later call.
  void encode(std::string_view data, std::string& out);
  /// Makes everything given so far readable by the peer, at some cost in size.
  void flush(std::string& out);
  /// Appends the rest and the trailer. Nothing may follow.
  void finish(std::string& out);

 private:
  struct State;
  void run(std::string_view data, std::string& out, int mode);
  std::unique_ptr<State> state_;
};

/// The whole text at once.
std::string gzip(std::string_view data, int level = 6);

}  // namespace clearway::http
