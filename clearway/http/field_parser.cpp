#include <clearway/http/characters.hpp>
#include <clearway/http/parser.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace clearway::http {

ProtocolError Failure::to_error(std::string_view what) const {
  std::string where =
      line != 0 ? fmt::format("line {}, byte {}", line, offset) : fmt::format("byte {}", offset);
  return ProtocolError(fmt::format("malformed {}: {} ({})", what, reason, where), status, line,
                       offset);
}

namespace detail {

namespace {

constexpr std::string_view kBareCr = "a CR that no LF follows";
constexpr std::string_view kBareLf = "a line that ends with a bare LF instead of CR LF";

// What must be known before the body is read, or what decides who may do what, has no place after
// it (RFC 9110 section 6.5.1).
constexpr std::array<std::string_view, 14> kForbiddenTrailers = {
    "Transfer-Encoding", "Content-Length",   "Host",          "Trailer",   "Connection",
    "Upgrade",           "Expect",           "Authorization", "Cookie",    "Proxy-Authorization",
    "Content-Type",      "Content-Encoding", "Content-Range", "Set-Cookie"};

bool is_valid_port(std::string_view digits) noexcept {
  std::uint64_t port = 0;
  // An empty port is allowed by RFC 3986 section 3.2.3.
  return digits.empty() || (digits.size() <= 5 && parse_decimal(digits, port) && port <= 65535);
}

// "chunked" last and once, other codings before it: well formed, but not implemented.
bool chunked_is_last(std::string_view list) noexcept {
  const std::size_t comma = list.rfind(',');
  if (comma == std::string_view::npos) return false;
  if (!equal_ignoring_case(trim_blanks(list.substr(comma + 1)), "chunked")) return false;
  list = list.substr(0, comma);
  while (true) {
    const std::size_t next = list.find(',');
    const std::string_view coding = trim_blanks(list.substr(0, next));
    if (coding.empty() || !all(coding, kToken) || equal_ignoring_case(coding, "chunked")) {
      return false;
    }
    if (next == std::string_view::npos) return true;
    list.remove_prefix(next + 1);
  }
}

// By length and first letter: nearly every field is seen to be another one at once.
inline Field field_of(std::string_view name) noexcept {
  const auto when = [](bool same, Field field) { return same ? field : Field::Other; };
  switch (name.size() << 8 | (static_cast<unsigned char>(name.front()) | 0x20u)) {
    case 4 << 8 | 'h':
      return when(is_name(name, "host"), Field::Host);
    case 6 << 8 | 'e':
      return when(is_name(name, "expect"), Field::Expect);
    case 7 << 8 | 'u':
      return when(is_name(name, "upgrade"), Field::Upgrade);
    case 10 << 8 | 'c':
      return when(is_name(name, "connection"), Field::Connection);
    case 14 << 8 | 'c':
      return when(is_name(name, "content-length"), Field::ContentLength);
    case 17 << 8 | 't':
      return when(is_name(name, "transfer-encoding"), Field::TransferEncoding);
    default:
      return Field::Other;
  }
}

constexpr bool is_blank(char byte) noexcept { return byte == ' ' || byte == '\t'; }

void note_connection(std::string_view value, Facts& facts) noexcept {
  // What nearly everybody sends; anything else is a list.
  if (value == "keep-alive" || value == "Keep-Alive") {
    facts.connection_keep_alive = true;
    return;
  }
  facts.connection_close |= has_token(value, "close");
  facts.connection_keep_alive |= has_token(value, "keep-alive");
  facts.connection_upgrade |= has_token(value, "upgrade");
}

}  // namespace

std::string_view authority_fault(std::string_view text, bool may_be_empty,
                                 const char* readable_from) noexcept {
  if (text.empty()) return may_be_empty ? "" : "an empty host";
  const char* at = text.data();
  const char* const end = at + text.size();
  if (*at == '[') {
    while (++at != end && (hex_value(*at) >= 0 || *at == ':' || *at == '.')) {
    }
    if (at == end) return "an IPv6 address without its closing ']'";
    if (*at != ']' || at - text.data() < 3) return "a malformed IPv6 address";
    if (++at != end && *at != ':') return "a byte between ']' and the port";
  } else {
    at = skip_host(readable_from == nullptr ? at : readable_from, at, end);
    if (at != end && *at != ':') return "a byte that cannot stand in a host name";
    if (at == text.data()) return "a port without a host";
  }
  if (at == end) return "";
  const std::string_view port(at + 1, static_cast<std::size_t>(end - at - 1));
  return is_valid_port(port) ? "" : "a port that is no number up to 65535";
}

FieldParser::FieldParser(Role role, const Limits& limits) : limits_(limits), role_(role) {
  // Offsets are kept in 32 bits.
  limits_.head = std::min<std::size_t>(limits_.head, 1u << 30);
}

ParseState FieldParser::fail(int status, std::string_view reason, std::size_t offset) noexcept {
  failure_ = {status, reason, role_ == Role::Trailer ? 0 : line_number_, offset};
  return ParseState::Failed;
}

void FieldParser::restart() noexcept {
  line_at_ = scan_at_ = colon_at_ = block_at_ = text_at_ = 0;
  line_number_ = 1;
}

void FieldParser::begin_fields(std::size_t at, std::size_t text_at) noexcept {
  line_at_ = scan_at_ = block_at_ = at;
  text_at_ = text_at;
  colon_at_ = 0;
  ++line_number_;
}

ParseState FieldParser::out_of_bytes(std::size_t size, std::size_t cap, int status,
                                     std::string_view reason) noexcept {
  if (size < cap) return ParseState::NeedMore;
  if (cap == limits_.head) return fail(431, "headers larger than the limit", cap);
  return fail(status, reason, cap);
}

[[gnu::always_inline]] inline bool FieldParser::accept_field(const char* base, Line line,
                                                             Headers& headers, Facts& facts) {
  const std::size_t name_length = line.colon - line.begin;
  if (name_length > std::numeric_limits<std::uint16_t>::max()) {
    fail(431, "a header's name longer than 65535 bytes", line.begin);
    return false;
  }
  std::size_t value_at = line.colon + 1;
  std::size_t value_end = line.end;
  while (value_at < value_end && is_blank(base[value_at])) ++value_at;
  while (value_end > value_at && is_blank(base[value_end - 1])) --value_end;
  const std::string_view name(base + line.begin, name_length);
  const std::size_t index = headers.entries_.size();
  headers.entries_.push_back({static_cast<std::uint32_t>(line.begin - text_at_),
                              static_cast<std::uint32_t>(value_at - text_at_),
                              static_cast<std::uint32_t>(value_end - value_at),
                              static_cast<std::uint16_t>(name_length), Headers::key_of(name)});
  const Field field = role_ == Role::Trailer ? Field::Trailer : field_of(name);
  if (field == Field::Other) return true;
  return note(field, base, value_at, value_end, index, facts);
}

// The members are kept where the scan stops, not at every step: the compiler cannot know that the
// bytes are none of them.
ParseState FieldParser::scan_fields(std::string_view bytes, Headers& headers, Facts& facts) {
  const char* const base = bytes.data();
  const std::size_t size = bytes.size();
  std::size_t scan_at = scan_at_;
  std::size_t colon_at = colon_at_;
  while (true) {
    const std::size_t line_at = line_at_;
    const std::size_t cap = line_cap(limits_.line);
    const std::size_t end = std::min(size, cap);
    const auto wait = [&] {
      scan_at_ = scan_at;
      colon_at_ = colon_at;
      return out_of_bytes(size, cap, 431, "a header line longer than the limit");
    };
    if (scan_at >= end) return wait();
    if (colon_at == 0) {
      if (scan_at == line_at && base[scan_at] == '\r') {
        scan_at_ = scan_at;
        colon_at_ = 0;
        return end_of_fields(bytes, headers);
      }
      scan_at = static_cast<std::size_t>(skip_token(base, base + scan_at, base + end) - base);
      if (scan_at == end) return wait();
      if (base[scan_at] != ':' || scan_at == line_at) return name_failure(bytes, scan_at);
      if (headers.entries_.size() == limits_.headers) {
        return fail(431, "more header fields than the limit", line_at);
      }
      colon_at = scan_at++;
    }
    scan_at = static_cast<std::size_t>(
        skip_text(base, base + scan_at, base + std::max(end, scan_at)) - base);
    if (scan_at >= end) return wait();
    if (base[scan_at] != '\r') return value_failure(base[scan_at], scan_at);
    if (scan_at + 1 == size) {
      scan_at_ = scan_at;
      colon_at_ = colon_at;
      return ParseState::NeedMore;
    }
    if (base[scan_at + 1] != '\n') return fail(400, kBareCr, scan_at);
    if (!accept_field(base, {line_at, colon_at, scan_at}, headers, facts)) {
      return ParseState::Failed;
    }
    scan_at += 2;
    colon_at = 0;
    line_at_ = scan_at;
    ++line_number_;
  }
}

ParseState FieldParser::end_of_fields(std::string_view bytes, Headers& headers) {
  if (line_at_ + 1 == bytes.size()) return ParseState::NeedMore;
  if (bytes[line_at_ + 1] != '\n') return fail(400, kBareCr, line_at_);
  // One copy for all fields: from here on the caller's buffer is not referred to.
  headers.text_.clear();
  headers.text_.append(bytes.data() + text_at_, line_at_ - text_at_);
  line_at_ += 2;
  return ParseState::Complete;
}

ParseState FieldParser::name_failure(std::string_view bytes, std::size_t at) noexcept {
  const char byte = bytes[at];
  const bool at_start = at == line_at_;
  if (byte == '\n') return fail(400, kBareLf, at);
  if (byte == ':') return fail(400, "a header field without a name", at);
  if (byte == ' ' || byte == '\t') {
    if (!at_start) return fail(400, "a space between a header's name and its colon", at);
    return fail(400,
                line_at_ == block_at_ ? "white space before the first header field"
                                      : "a header folded over two lines (obs-fold)",
                at);
  }
  if (byte == '\r') return fail(400, "a header line without a colon", at);
  return fail(400, "a byte that cannot stand in a header's name", at);
}

ParseState FieldParser::value_failure(char byte, std::size_t at) noexcept {
  if (byte == '\n') return fail(400, kBareLf, at);
  if (byte == '\0') return fail(400, "a NUL byte in a header's value", at);
  return fail(400, "a control byte in a header's value", at);
}

bool FieldParser::note_trailer(std::string_view line) noexcept {
  const std::string_view name = line.substr(0, line.find(':'));
  for (std::string_view forbidden : kForbiddenTrailers) {
    if (!equal_ignoring_case(name, forbidden)) continue;
    fail(400, "a trailer field that may only stand in the head", line_at_);
    return false;
  }
  return true;
}

bool FieldParser::note(Field field, const char* base, std::size_t at, std::size_t value_end,
                       std::size_t index, Facts& facts) noexcept {
  const std::string_view value(base + at, value_end - at);
  switch (field) {
    case Field::Trailer:
      return note_trailer({base + line_at_, base + at});
    case Field::Host:
      return role_ != Role::Request || note_host(value, base, at, index, facts);
    case Field::Expect:
      return role_ != Role::Request || note_expect(value, at, facts);
    case Field::Upgrade:
      facts.has_upgrade = true;
      return true;
    case Field::Connection:
      note_connection(value, facts);
      return true;
    case Field::ContentLength:
      return note_content_length(value, at, facts);
    case Field::TransferEncoding:
      return note_transfer_encoding(value, at, facts);
    case Field::Other:
      break;
  }
  return true;
}

bool FieldParser::note_expect(std::string_view value, std::size_t at, Facts& facts) noexcept {
  if (!equal_ignoring_case(value, "100-continue")) {
    fail(417, "an expectation other than 100-continue", at);
    return false;
  }
  // RFC 9110 section 10.1.1: ignored in HTTP/1.0.
  facts.expect_continue = facts.minor_version != 0;
  return true;
}

bool FieldParser::note_host(std::string_view value, const char* base, std::size_t at,
                            std::size_t index, Facts& facts) noexcept {
  if (facts.has_host) {
    fail(400, "more than one Host field", line_at_);
    return false;
  }
  if (!authority_fault(value, true, base).empty()) {
    fail(400, "a Host field that is not host or host:port", at);
    return false;
  }
  facts.has_host = true;
  facts.host_at = index;
  return true;
}

bool FieldParser::note_content_length(std::string_view value, std::size_t at,
                                      Facts& facts) noexcept {
  if (facts.has_content_length) {
    fail(400, "more than one Content-Length", line_at_);
  } else if (facts.chunked) {
    fail(400, "both Transfer-Encoding and Content-Length", line_at_);
  } else if (!parse_decimal(value, facts.content_length)) {
    fail(400, "a Content-Length that is not a decimal number below 2^64", at);
  } else {
    facts.has_content_length = true;
    return true;
  }
  return false;
}

bool FieldParser::note_transfer_encoding(std::string_view value, std::size_t at,
                                         Facts& facts) noexcept {
  if (facts.minor_version == 0) {
    fail(400, "Transfer-Encoding in an HTTP/1.0 message", line_at_);
  } else if (facts.chunked) {
    fail(400, "more than one Transfer-Encoding", line_at_);
  } else if (facts.has_content_length) {
    fail(400, "both Content-Length and Transfer-Encoding", line_at_);
  } else if (equal_ignoring_case(value, "chunked")) {
    facts.chunked = true;
    return true;
  } else if (chunked_is_last(value)) {
    fail(501, "a transfer coding other than chunked", at);
  } else {
    fail(400, "a Transfer-Encoding that does not end with one \"chunked\"", at);
  }
  return false;
}

}  // namespace detail

}  // namespace clearway::http
