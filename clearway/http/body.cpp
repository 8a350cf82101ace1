#include <clearway/http/body.hpp>
#include <clearway/http/characters.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace clearway::http {

using detail::FieldParser;

namespace {

Limits trailer_limits(const Limits& limits) {
  Limits result = limits;
  result.head = limits.trailer;
  result.headers = limits.trailers;
  return result;
}

const Headers kNoTrailers;

}  // namespace

BodyDecoder::Trailer::Trailer(const Limits& limits)
    : parser(FieldParser::Role::Trailer, trailer_limits(limits)) {}

BodyDecoder::BodyDecoder(BodyKind kind, std::uint64_t length, const Limits& limits)
    : kind_(kind), limits_(limits) {
  switch (kind) {
    case BodyKind::None:
      break;
    case BodyKind::Length:
      left_ = length_ = length;
      stage_ = length != 0 ? Stage::Length : Stage::Done;
      break;
    case BodyKind::Chunked:
      stage_ = Stage::ChunkSize;
      break;
    case BodyKind::UntilClose:
      stage_ = Stage::UntilClose;
      break;
  }
}

BodyDecoder::BodyDecoder(const RequestHead& head, const Limits& limits)
    : BodyDecoder(head.body_kind(), head.content_length().value_or(0), limits) {}

BodyDecoder::BodyDecoder(const ResponseHead& head, Method request, const Limits& limits)
    : BodyDecoder(head.body_kind(request), head.content_length().value_or(0), limits) {}

const Headers& BodyDecoder::trailers() const noexcept {
  return trailer_ != nullptr && done() ? trailer_->headers : kNoTrailers;
}

std::optional<std::uint64_t> BodyDecoder::remaining() const noexcept {
  if (stage_ == Stage::Done) return 0;
  if (stage_ == Stage::Length) return left_;
  return std::nullopt;
}

bool BodyDecoder::fail(std::string_view reason, int status) noexcept {
  failure_ = {status, reason, 0, static_cast<std::size_t>(consumed_)};
  stage_ = Stage::Failed;
  return false;
}

BodyPiece BodyDecoder::decode(std::string_view input) {
  switch (stage_) {
    case Stage::Done:
      return {BodyState::End, 0, {}};
    case Stage::Failed:
      return {BodyState::Failed, 0, {}};
    case Stage::UntilClose:
      if (input.empty()) return {};
      received_ += input.size();
      consumed_ += input.size();
      return {BodyState::Data, input.size(), input};
    case Stage::Length: {
      if (input.empty()) return {};
      const BodyPiece piece = take_data(input, 0);
      if (left_ == 0) stage_ = Stage::Done;
      return piece;
    }
    default:
      return decode_chunked(input);
  }
}

BodyPiece BodyDecoder::take_data(std::string_view input, std::size_t at) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - at));
  left_ -= size;
  received_ += size;
  consumed_ += size;
  return {BodyState::Data, at + size, input.substr(at, size)};
}

// Framing is read byte by byte, which needs no memory of earlier input; data is taken whole.
BodyPiece BodyDecoder::decode_chunked(std::string_view input) {
  std::size_t at = 0;
  while (at < input.size()) {
    if (stage_ == Stage::ChunkData) {
      const BodyPiece piece = take_data(input, at);
      if (left_ == 0) stage_ = Stage::ChunkDataCr;
      return piece;
    }
    if (stage_ == Stage::Trailer) return take_trailer(input, at);
    if (!chunk_byte(input[at])) return {BodyState::Failed, 0, {}};
    ++at;
    ++consumed_;
  }
  return {BodyState::NeedMore, at, {}};
}

bool BodyDecoder::chunk_byte(char byte) {
  switch (stage_) {
    case Stage::ChunkSize:
      return chunk_size_byte(byte);
    case Stage::ChunkExtension:
    case Stage::ChunkExtensionQuoted:
    case Stage::ChunkExtensionEscape:
      return chunk_extension_byte(byte);
    case Stage::ChunkSizeLf:
      if (byte != '\n') return fail("a CR that no LF follows in a chunk's size line");
      size_digits_ = 0;
      stage_ = left_ != 0 ? Stage::ChunkData : Stage::Trailer;
      if (stage_ == Stage::Trailer) trailer_ = std::make_unique<Trailer>(limits_);
      return true;
    case Stage::ChunkDataCr:
      if (byte != '\r') return fail("a chunk that is longer than its size says");
      stage_ = Stage::ChunkDataLf;
      return true;
    default:
      if (byte != '\n') return fail("a CR that no LF follows after a chunk");
      stage_ = Stage::ChunkSize;
      return true;
  }
}

bool BodyDecoder::chunk_size_byte(char byte) {
  const int digit = detail::hex_value(byte);
  if (digit >= 0) {
    if (size_digits_ == 16) return fail("a chunk size of more than 16 digits");
    left_ = left_ << 4 | static_cast<std::uint64_t>(digit);
    ++size_digits_;
    return true;
  }
  if (byte == '\n') return fail("a chunk's size line that ends with a bare LF");
  if (size_digits_ == 0) return fail("a chunk without a size");
  if (byte == '\r') {
    stage_ = Stage::ChunkSizeLf;
    return true;
  }
  if (byte != ';') return fail("a chunk size that is not a hexadecimal number");
  stage_ = Stage::ChunkExtension;
  extension_part_ = ExtensionPart::NameStart;
  return count_extension_byte();
}

bool BodyDecoder::count_extension_byte() {
  if (++extension_bytes_ <= limits_.chunk_extensions) return true;
  return fail("chunk extensions larger than the limit", 413);
}

// chunk-ext = *( ";" name [ "=" ( token / quoted-string ) ] ), RFC 9112 section 7.1.1, without the
// spaces that its grammar only tolerates. The extensions are checked and skipped.
bool BodyDecoder::chunk_extension_byte(char byte) {
  if (byte == '\n') return fail("a chunk's size line that ends with a bare LF");
  if (stage_ == Stage::ChunkExtensionEscape || stage_ == Stage::ChunkExtensionQuoted) {
    if (!detail::is(byte, detail::kText)) return fail("a control byte in a chunk extension");
    if (stage_ == Stage::ChunkExtensionEscape) {
      stage_ = Stage::ChunkExtensionQuoted;
    } else if (byte == '\\') {
      stage_ = Stage::ChunkExtensionEscape;
    } else if (byte == '"') {
      stage_ = Stage::ChunkExtension;
      extension_part_ = ExtensionPart::AfterQuote;
    }
    return count_extension_byte();
  }
  const bool word_open =
      extension_part_ == ExtensionPart::Name || extension_part_ == ExtensionPart::Value;
  const bool may_end = word_open || extension_part_ == ExtensionPart::AfterQuote;
  if (byte == '\r') {
    if (!may_end) return fail("a chunk extension without a name or value");
    stage_ = Stage::ChunkSizeLf;
    return true;
  }
  if (byte == ';') {
    if (!may_end) return fail("a chunk extension without a name or value");
    extension_part_ = ExtensionPart::NameStart;
  } else if (byte == '=') {
    if (extension_part_ != ExtensionPart::Name) return fail("a stray '=' in a chunk extension");
    extension_part_ = ExtensionPart::ValueStart;
  } else if (byte == '"' && extension_part_ == ExtensionPart::ValueStart) {
    stage_ = Stage::ChunkExtensionQuoted;
  } else if (detail::is(byte, detail::kToken) && extension_part_ != ExtensionPart::AfterQuote) {
    if (extension_part_ == ExtensionPart::NameStart) extension_part_ = ExtensionPart::Name;
    if (extension_part_ == ExtensionPart::ValueStart) extension_part_ = ExtensionPart::Value;
  } else {
    return fail("a byte that cannot stand in a chunk extension");
  }
  return count_extension_byte();
}

// Trailers are short, rare and capped: they are gathered, so that one parser serves both.
BodyPiece BodyDecoder::take_trailer(std::string_view input, std::size_t at) {
  Trailer& trailer = *trailer_;
  const std::size_t had = trailer.bytes.size();
  // The parser refuses what is longer than the limit, so more than that is never copied.
  const std::size_t room = limits_.trailer + 2 - std::min(had, limits_.trailer + 2);
  const std::string_view more = input.substr(at, room);
  trailer.bytes.append(more);
  switch (trailer.parser.scan_fields(trailer.bytes, trailer.headers, trailer.facts)) {
    case ParseState::NeedMore:
      consumed_ += more.size();
      return {BodyState::NeedMore, at + more.size(), {}};
    case ParseState::Failed: {
      const Failure& inner = trailer.parser.failure();
      consumed_ = consumed_ - had + inner.offset;
      fail(inner.reason, inner.status);
      return {BodyState::Failed, 0, {}};
    }
    case ParseState::Complete:
      break;
  }
  stage_ = Stage::Done;
  const std::size_t used = trailer.parser.position() - had;
  consumed_ += used;
  trailer.bytes = {};
  return {BodyState::End, at + used, {}};
}

void BodyDecoder::end_of_input() {
  if (stage_ == Stage::UntilClose) stage_ = Stage::Done;
  if (stage_ == Stage::Done) return;
  if (stage_ == Stage::Failed) throw error("body");
  if (kind_ == BodyKind::Length) {
    throw Truncated(fmt::format("body cut short: got {} of {} bytes", received_, length_));
  }
  throw Truncated(fmt::format("body cut short: got {} bytes and no last chunk", received_));
}

}  // namespace clearway::http
