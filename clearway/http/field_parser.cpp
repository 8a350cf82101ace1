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

}  // namespace

std::string_view authority_fault(std::string_view text, bool may_be_empty) noexcept {
  if (text.empty()) return may_be_empty ? "" : "an empty host";
  std::string_view port;
  if (text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return "an IPv6 address without its closing ']'";
    for (char byte : text.substr(1, close - 1)) {
      if (hex_value(byte) < 0 && byte != ':' && byte != '.') return "a malformed IPv6 address";
    }
    if (close < 3) return "a malformed IPv6 address";
    port = text.substr(close + 1);
    if (!port.empty() && port.front() != ':') return "a byte between ']' and the port";
    if (!port.empty()) port.remove_prefix(1);
  } else {
    if (!all(text, kHost)) return "a byte that cannot stand in a host name";
    const std::size_t colon = text.find(':');
    if (colon == 0) return "a port without a host";
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
  }
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
  line_at_ = scan_at_ = colon_at_ = block_at_ = 0;
  line_number_ = 1;
}

void FieldParser::begin_fields(std::size_t at, Headers& headers) noexcept {
  headers.clear();
  line_at_ = scan_at_ = block_at_ = at;
  colon_at_ = 0;
  ++line_number_;
}

std::size_t FieldParser::line_cap(std::size_t line_limit) const noexcept {
  return std::min(line_at_ + line_limit + 1, limits_.head);
}

ParseState FieldParser::out_of_bytes(std::size_t size, std::size_t cap, int status,
                                     std::string_view reason) noexcept {
  if (size < cap) return ParseState::NeedMore;
  if (cap == limits_.head) return fail(431, "headers larger than the limit", cap);
  return fail(status, reason, cap);
}

ParseState FieldParser::scan_fields(std::string_view bytes, Headers& headers, Facts& facts) {
  constexpr std::string_view too_long = "a header line longer than the limit";
  const char* const base = bytes.data();
  const std::size_t size = bytes.size();
  while (true) {
    const std::size_t cap = line_cap(limits_.line);
    const std::size_t end = std::min(size, cap);
    if (scan_at_ >= end) return out_of_bytes(size, cap, 431, too_long);
    if (colon_at_ == 0) {
      const char* name_end = skip(base + scan_at_, base + end, kToken);
      scan_at_ = static_cast<std::size_t>(name_end - base);
      if (scan_at_ == end) return out_of_bytes(size, cap, 431, too_long);
      if (*name_end != ':' || scan_at_ == line_at_) {
        if (*name_end == '\r' && scan_at_ == line_at_) return end_of_fields(bytes, headers);
        return name_failure(bytes, scan_at_);
      }
      if (headers.entries_.size() == limits_.headers) {
        return fail(431, "more header fields than the limit", line_at_);
      }
      colon_at_ = scan_at_++;
    }
    const char* value_end = skip_text(base + scan_at_, base + std::max(end, scan_at_));
    scan_at_ = static_cast<std::size_t>(value_end - base);
    if (scan_at_ >= end) return out_of_bytes(size, cap, 431, too_long);
    if (*value_end != '\r') return value_failure(*value_end, scan_at_);
    if (scan_at_ + 1 == size) return ParseState::NeedMore;
    if (value_end[1] != '\n') return fail(400, kBareCr, scan_at_);
    if (!accept_field(bytes, scan_at_, headers, facts)) return ParseState::Failed;
    scan_at_ += 2;
    line_at_ = scan_at_;
    colon_at_ = 0;
    ++line_number_;
  }
}

ParseState FieldParser::end_of_fields(std::string_view bytes, Headers& headers) {
  if (line_at_ + 1 == bytes.size()) return ParseState::NeedMore;
  if (bytes[line_at_ + 1] != '\n') return fail(400, kBareCr, line_at_);
  // One copy for all fields: from here on the caller's buffer is not referred to.
  headers.text_.assign(bytes.data() + block_at_, line_at_ - block_at_);
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

bool FieldParser::accept_field(std::string_view bytes, std::size_t line_end, Headers& headers,
                               Facts& facts) {
  const std::size_t name_length = colon_at_ - line_at_;
  if (name_length > std::numeric_limits<std::uint16_t>::max()) {
    fail(431, "a header's name longer than 65535 bytes", line_at_);
    return false;
  }
  const std::string_view name = bytes.substr(line_at_, name_length);
  const std::string_view value = trim_blanks(bytes.substr(colon_at_ + 1, line_end - colon_at_ - 1));
  const auto value_at = static_cast<std::size_t>(value.data() - bytes.data());
  const std::size_t index = headers.entries_.size();
  headers.entries_.push_back({static_cast<std::uint32_t>(line_at_ - block_at_),
                              static_cast<std::uint32_t>(value_at - block_at_),
                              static_cast<std::uint32_t>(value.size()),
                              static_cast<std::uint16_t>(name_length), Headers::key_of(name)});
  return note({name, value}, value_at, index, facts);
}

// Finds the fields that decide about framing, by length first: most fields end here at once.
bool FieldParser::note(Header field, std::size_t at, std::size_t index, Facts& facts) noexcept {
  const auto& [name, value] = field;
  if (role_ == Role::Trailer) {
    for (std::string_view forbidden : kForbiddenTrailers) {
      if (!equal_ignoring_case(name, forbidden)) continue;
      fail(400, "a trailer field that may only stand in the head", line_at_);
      return false;
    }
    return true;
  }
  switch (name.size()) {
    case 4:
      if (role_ == Role::Request && equal_ignoring_case(name, "Host")) {
        return note_host(value, at, index, facts);
      }
      return true;
    case 6:
      if (role_ != Role::Request || !equal_ignoring_case(name, "Expect")) return true;
      if (!equal_ignoring_case(value, "100-continue")) {
        fail(417, "an expectation other than 100-continue", at);
        return false;
      }
      // RFC 9110 section 10.1.1: ignored in HTTP/1.0.
      facts.expect_continue = facts.minor_version != 0;
      return true;
    case 7:
      if (equal_ignoring_case(name, "Upgrade")) facts.has_upgrade = true;
      return true;
    case 10:
      if (!equal_ignoring_case(name, "Connection")) return true;
      facts.connection_close |= has_token(value, "close");
      facts.connection_keep_alive |= has_token(value, "keep-alive");
      facts.connection_upgrade |= has_token(value, "upgrade");
      return true;
    case 14:
      if (!equal_ignoring_case(name, "Content-Length")) return true;
      return note_content_length(value, at, facts);
    case 17:
      if (!equal_ignoring_case(name, "Transfer-Encoding")) return true;
      return note_transfer_encoding(value, at, facts);
    default:
      return true;
  }
}

bool FieldParser::note_host(std::string_view value, std::size_t at, std::size_t index,
                            Facts& facts) noexcept {
  if (facts.has_host) {
    fail(400, "more than one Host field", line_at_);
    return false;
  }
  if (!authority_fault(value, true).empty()) {
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
