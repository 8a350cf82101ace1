#include <clearway/http/characters.hpp>
#include <clearway/http/parser.hpp>

#include <algorithm>

namespace clearway::http {

ParseResult ResponseParser::feed(std::string_view bytes, ResponseHead& head) {
  ParseState state = ParseState::Complete;
  if (stage_ == Stage::Start) state = scan_status(bytes, head);
  if (state == ParseState::Complete && stage_ == Stage::Reason) state = scan_reason(bytes, head);
  if (state == ParseState::Complete && stage_ == Stage::Fields) {
    state = scan_fields(bytes, head.headers_, head.facts_);
  }
  if (stage_ == Stage::Failed) return {ParseState::Failed, 0};
  if (state == ParseState::NeedMore) return {state, 0};
  if (state == ParseState::Failed) {
    stage_ = Stage::Failed;
    head.clear();
    return {state, 0};
  }
  const std::size_t consumed = line_at_;
  reset();
  return {ParseState::Complete, consumed};
}

void ResponseParser::reset() noexcept {
  restart();
  failure_ = {};
  stage_ = Stage::Start;
}

// "HTTP/1.1 200", then a space or the line's end. A wrong byte is refused as soon as it is there:
// whoever reaches an SSH or SMTP server learns it from the first line.
ParseState ResponseParser::scan_status(std::string_view bytes, ResponseHead& head) {
  constexpr std::string_view shape = "HTTP/0.0 000";
  for (; scan_at_ < shape.size(); ++scan_at_) {
    if (scan_at_ >= bytes.size()) return ParseState::NeedMore;
    const char byte = bytes[scan_at_];
    const bool fits = shape[scan_at_] == '0' ? detail::is_digit(byte) : byte == shape[scan_at_];
    if (!fits) {
      if (scan_at_ < 5) return fail(400, "an answer that is not HTTP", scan_at_);
      return fail(400,
                  scan_at_ < 9 ? "a version that is not HTTP/1.1 or HTTP/1.0"
                               : "a status that is not three digits",
                  scan_at_);
    }
    if (scan_at_ == 7 && (bytes[5] != '1' || (byte != '0' && byte != '1'))) {
      return fail(505, "a version other than HTTP/1.1 and HTTP/1.0", 5);
    }
  }
  if (bytes.size() == shape.size()) return ParseState::NeedMore;
  const int status = (bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + (bytes[11] - '0');
  if (status < 100) return fail(400, "a status below 100", 9);
  const char next = bytes[shape.size()];
  if (next == '\n') return fail(400, "a line that ends with a bare LF", scan_at_);
  if (next != ' ' && next != '\r') return fail(400, "a status that is not three digits", scan_at_);
  head.clear();
  head.status_ = status;
  head.facts_.minor_version = static_cast<std::uint8_t>(bytes[7] - '0');
  if (next == ' ') ++scan_at_;
  stage_ = Stage::Reason;
  return ParseState::Complete;
}

ParseState ResponseParser::scan_reason(std::string_view bytes, ResponseHead& head) {
  constexpr std::string_view too_long = "a status line longer than the limit";
  const std::size_t cap = line_cap(limits_.line);
  const std::size_t end = std::min(bytes.size(), cap);
  if (scan_at_ >= end) return out_of_bytes(bytes.size(), cap, 431, too_long);
  const char* stop = detail::skip_text(bytes.data(), bytes.data() + scan_at_, bytes.data() + end);
  scan_at_ = static_cast<std::size_t>(stop - bytes.data());
  if (scan_at_ == end) return out_of_bytes(bytes.size(), cap, 431, too_long);
  if (*stop == '\n') return fail(400, "a line that ends with a bare LF", scan_at_);
  if (*stop != '\r') return fail(400, "a control byte in the reason phrase", scan_at_);
  if (scan_at_ + 1 == bytes.size()) return ParseState::NeedMore;
  if (stop[1] != '\n') return fail(400, "a CR that no LF follows", scan_at_);
  constexpr std::size_t reason_at = 13;
  if (scan_at_ > reason_at) {
    head.reason_.assign(bytes.data() + reason_at, scan_at_ - reason_at);
  }
  begin_fields(scan_at_ + 2, scan_at_ + 2);
  stage_ = Stage::Fields;
  return ParseState::Complete;
}

}  // namespace clearway::http
