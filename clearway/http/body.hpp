#pragma once

#include <clearway/http/parser.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace clearway::http {

/// What `BodyDecoder::decode` found.
enum class BodyState : std::uint8_t {
  NeedMore,  ///< everything given was consumed and held no data
  Data,      ///< `data` is the next part of the body, never empty
  End,       ///< the body is complete; bytes not consumed belong to the next message
  Failed     ///< see `failure()`
};

/// The outcome of one call of `BodyDecoder::decode`.
struct BodyPiece {
  BodyState state = BodyState::NeedMore;
  std::size_t consumed = 0;  ///< bytes of the input that are dealt with, framing included
  std::string_view data;     ///< a part of the input
};

/// Undoes the framing of a message's body (RFC 9112 sections 6 and 7). It copies nothing: what it
/// returns are parts of the bytes it was given.
///
///     while (!decoder.done()) {
///       BodyPiece piece = decoder.decode(unconsumed);
///       unconsumed.remove_prefix(piece.consumed);
///       if (piece.state == BodyState::Data) use(piece.data);
///       else if (piece.state == BodyState::NeedMore) read more, or at the end:
///       decoder.end_of_input() else if (piece.state == BodyState::Failed) throw
///       decoder.error("response body");
///     }
///
/// It never consumes a byte beyond the body's end.
class BodyDecoder {
 public:
  /// A message without body: done from the beginning.
  BodyDecoder() = default;
  /// `length` counts only for `BodyKind::Length`.
  BodyDecoder(BodyKind kind, std::uint64_t length, const Limits& limits = {});
  /// The body of a request, as its head says.
  explicit BodyDecoder(const RequestHead& head, const Limits& limits = Limits::server());
  /// The body of the response to a request made with `request`.
  BodyDecoder(const ResponseHead& head, Method request, const Limits& limits = Limits::client());

  BodyPiece decode(std::string_view input);

  /// The peer closed its side. Ends a body of kind `UntilClose`; any other that is not done is
  /// cut short: throws `Truncated` ("body cut short: got 10 of 100 bytes").
  void end_of_input();

  /// Nothing more will come. True as soon as the last piece was returned, so a caller need not ask
  /// for `End`. With a chunked body, true after its trailer.
  bool done() const noexcept { return stage_ == Stage::Done; }
  BodyKind kind() const noexcept { return kind_; }
  /// Bytes of the body returned so far, framing not counted.
  std::uint64_t received() const noexcept { return received_; }
  /// Bytes still to come, if that is known (kind `Length`, or done).
  std::optional<std::uint64_t> remaining() const noexcept;

  /// Fields that came after the last chunk, kept apart from the headers on purpose: they are
  /// whatever the peer liked to send after the decisions were taken (RFC 9110 section 6.5.1).
  const Headers& trailers() const noexcept;

  const Failure& failure() const noexcept { return failure_; }
  ProtocolError error(std::string_view what) const { return failure_.to_error(what); }

 private:
  enum class Stage : std::uint8_t {
    Done,
    Length,
    UntilClose,
    ChunkSize,
    ChunkExtension,
    ChunkExtensionQuoted,
    ChunkExtensionEscape,
    ChunkSizeLf,
    ChunkData,
    ChunkDataCr,
    ChunkDataLf,
    Trailer,
    Failed
  };
  enum class ExtensionPart : std::uint8_t { NameStart, Name, ValueStart, Value, AfterQuote };

  struct Trailer {
    explicit Trailer(const Limits& limits);
    detail::FieldParser parser;
    std::string bytes;
    Headers headers;
    detail::Facts facts;
  };

  BodyPiece take_data(std::string_view input, std::size_t at);
  BodyPiece decode_chunked(std::string_view input);
  bool chunk_byte(char byte);
  bool chunk_size_byte(char byte);
  bool chunk_extension_byte(char byte);
  bool count_extension_byte();
  BodyPiece take_trailer(std::string_view input, std::size_t at);
  bool fail(std::string_view reason, int status = 400) noexcept;

  Stage stage_ = Stage::Done;
  BodyKind kind_ = BodyKind::None;
  std::uint8_t size_digits_ = 0;
  ExtensionPart extension_part_ = ExtensionPart::NameStart;
  std::uint64_t left_ = 0;      // of the body, or of the current chunk
  std::uint64_t received_ = 0;  // data
  std::uint64_t consumed_ = 0;  // data and framing
  std::uint64_t length_ = 0;
  std::size_t extension_bytes_ = 0;
  Limits limits_;
  Failure failure_;
  std::unique_ptr<Trailer> trailer_;
};

}  // namespace clearway::http
