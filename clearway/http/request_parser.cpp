#include <clearway/http/characters.hpp>
#include <clearway/http/parser.hpp>

#include <algorithm>
#include <cstring>

namespace clearway::http {

using detail::authority_fault;

void RequestParser::reset() noexcept {
  restart();
  failure_ = {};
  stage_ = Stage::Start;
  target_at_ = 0;
}

// One empty line before the request line is skipped (RFC 9112 section 2.2): old clients send it
// after a body.
[[gnu::always_inline]] inline ParseState RequestParser::start(std::string_view bytes) {
  if (bytes.empty()) return ParseState::NeedMore;
  if (bytes[0] == '\r') {
    if (bytes.size() < 2) return ParseState::NeedMore;
    if (bytes[1] != '\n') return fail(400, "a CR that no LF follows", 0);
    if (bytes.size() < 3) return ParseState::NeedMore;
    line_at_ = scan_at_ = 2;
    ++line_number_;
  }
  stage_ = Stage::Method;
  return ParseState::Complete;
}

[[gnu::always_inline]] inline ParseState RequestParser::scan_method(std::string_view bytes,
                                                                    RequestHead& head) {
  const std::size_t cap = line_cap(limits_.method);
  const std::size_t end = std::min(bytes.size(), cap);
  const char* const begin = bytes.data();
  const bool is_get = end >= line_at_ + 4 && std::memcmp(begin + line_at_, "GET ", 4) == 0;
  const char* stop =
      is_get ? begin + line_at_ + 3 : detail::skip_token(begin, begin + scan_at_, begin + end);
  scan_at_ = static_cast<std::size_t>(stop - bytes.data());
  if (scan_at_ == end) {
    return out_of_bytes(bytes.size(), cap, 501, "a method longer than the limit");
  }
  if (*stop != ' ' || scan_at_ == line_at_) return method_failure(*stop);
  head.clear();
  head.method_length_ = static_cast<std::uint32_t>(scan_at_ - line_at_);
  head.method_ = is_get ? Method::Get : parse_method({begin + line_at_, head.method_length_});
  target_at_ = ++scan_at_;
  stage_ = Stage::Target;
  return ParseState::Complete;
}

ParseState RequestParser::method_failure(char byte) noexcept {
  const bool at_start = scan_at_ == line_at_;
  if (at_start && byte == '\x16') {
    return fail(400, "a TLS handshake where plain HTTP is spoken", scan_at_);
  }
  if (byte == '\r' || byte == '\n') {
    return fail(400,
                at_start ? "an empty line where a request line is expected"
                         : "a request line of a single word",
                scan_at_);
  }
  if (byte != ' ') return fail(400, "a byte that cannot stand in a method", scan_at_);
  return fail(400, "white space before the request line", scan_at_);
}

// `line` is the request line up to the end of the target.
[[gnu::always_inline]] inline bool RequestParser::split_target(std::string_view line,
                                                               RequestHead& head) {
  const std::string_view target = line.substr(head.target_at_);
  if (head.method_ == Method::Connect) {
    head.form_ = TargetForm::Authority;
    head.authority_at_ = head.target_at_;
    head.authority_length_ = head.target_length_;
    const std::size_t colon = target.rfind(':');
    const bool has_port = colon != std::string_view::npos && colon + 1 < target.size() &&
                          target.find(']', colon) == std::string_view::npos;
    if (has_port && authority_fault(target, false).empty()) return true;
    fail(400, "a CONNECT whose target is not host:port", target_at_);
    return false;
  }
  if (target.front() == '/') {
    head.form_ = TargetForm::Origin;
    head.path_at_ = head.target_at_;
  } else if (target == "*" && head.method_ == Method::Options) {
    head.form_ = TargetForm::Asterisk;
    head.path_at_ = head.target_at_;
  } else {
    const std::size_t scheme = target.find("://");
    const std::string_view name = target.substr(0, std::min(scheme, target.size()));
    if (scheme == std::string_view::npos ||
        !(equal_ignoring_case(name, "http") || equal_ignoring_case(name, "https"))) {
      fail(400, "a request target that is neither a path nor an http URL", target_at_);
      return false;
    }
    if (!split_absolute(target, scheme + 3, head)) return false;
  }
  const std::size_t mark = line.find('?', head.path_at_);
  const std::size_t path_end = std::min(mark, line.size());
  head.path_length_ = static_cast<std::uint32_t>(path_end - head.path_at_);
  if (mark != std::string_view::npos) {
    head.query_at_ = static_cast<std::uint32_t>(mark + 1);
    head.query_length_ = static_cast<std::uint32_t>(line.size() - mark - 1);
  }
  return true;
}

[[gnu::always_inline]] inline ParseState RequestParser::scan_target(std::string_view bytes,
                                                                    RequestHead& head) {
  const std::size_t cap = std::min(target_at_ + limits_.target + 1, limits_.head);
  const std::size_t end = std::min(bytes.size(), cap);
  if (scan_at_ >= end) {
    return out_of_bytes(bytes.size(), cap, 414, "a request target longer than the limit");
  }
  const char* stop = detail::skip_target(bytes.data(), bytes.data() + scan_at_, bytes.data() + end);
  scan_at_ = static_cast<std::size_t>(stop - bytes.data());
  if (scan_at_ == end) {
    return out_of_bytes(bytes.size(), cap, 414, "a request target longer than the limit");
  }
  if (*stop != ' ' || scan_at_ == target_at_) return target_failure(*stop);
  head.target_at_ = head.method_length_ + 1;
  head.target_length_ = static_cast<std::uint32_t>(scan_at_ - target_at_);
  if (!split_target(bytes.substr(line_at_, scan_at_ - line_at_), head)) return ParseState::Failed;
  ++scan_at_;
  stage_ = Stage::Version;
  return ParseState::Complete;
}

ParseState RequestParser::target_failure(char byte) noexcept {
  if (byte == '\r' || byte == '\n') {
    return fail(400, "a request line without a version (HTTP/0.9 is not spoken)", scan_at_);
  }
  if (byte == '#') return fail(400, "a fragment in the request target", scan_at_);
  if (byte != ' ') return fail(400, "a control byte in the request target", scan_at_);
  return fail(400, "two spaces before the request target", scan_at_);
}

bool RequestParser::split_absolute(std::string_view target, std::size_t authority_at,
                                   RequestHead& head) {
  const std::size_t authority_end =
      std::min(target.find_first_of("/?", authority_at), target.size());
  const std::string_view authority = target.substr(authority_at, authority_end - authority_at);
  if (!authority_fault(authority, false).empty()) {
    fail(400, "a request target whose authority is not host or host:port",
         target_at_ + authority_at);
    return false;
  }
  head.form_ = TargetForm::Absolute;
  head.authority_at_ = static_cast<std::uint32_t>(head.target_at_ + authority_at);
  head.authority_length_ = static_cast<std::uint32_t>(authority.size());
  head.path_at_ = static_cast<std::uint32_t>(head.target_at_ + authority_end);
  return true;
}

[[gnu::always_inline]] inline ParseState RequestParser::scan_version(std::string_view bytes,
                                                                     RequestHead& head) {
  constexpr std::string_view known = "HTTP/1.1\r\n";
  const std::string_view rest = bytes.substr(scan_at_, known.size());
  if (rest.size() == known.size() && std::memcmp(rest.data(), known.data(), known.size()) == 0) {
    head.facts_.minor_version = 1;
  } else {
    for (std::size_t i = 0; i < rest.size(); ++i) {
      const bool is_number = i == 5 || i == 7;
      const bool fits = is_number ? detail::is_digit(rest[i]) : rest[i] == known[i];
      if (i == 7 && fits && (rest[5] != '1' || rest[7] > '1')) {
        return fail(505, "a version other than HTTP/1.1 and HTTP/1.0", scan_at_);
      }
      if (fits) continue;
      if (rest[i] == '\n') return fail(400, "a line that ends with a bare LF", scan_at_ + i);
      return fail(400,
                  i < 8 ? "a version that is not HTTP/1.1 or HTTP/1.0"
                        : "bytes after the version in the request line",
                  scan_at_ + i);
    }
    if (rest.size() < known.size()) return ParseState::NeedMore;
    head.facts_.minor_version = static_cast<std::uint8_t>(rest[7] - '0');
  }
  begin_fields(scan_at_ + known.size(), line_at_);
  stage_ = Stage::Fields;
  return ParseState::Complete;
}

[[gnu::always_inline]] inline ParseState RequestParser::finish(RequestHead& head) {
  const detail::Facts& facts = head.facts_;
  if (!facts.has_host) {
    if (facts.minor_version == 0) return ParseState::Complete;
    return fail(400, "an HTTP/1.1 request without a Host field", line_at_);
  }
  if (head.authority_length_ == 0) return ParseState::Complete;
  const std::string_view host = head.headers_[facts.host_at].value;
  if (!equal_ignoring_case(host, head.view(head.authority_at_, head.authority_length_))) {
    return fail(400, "a Host field that differs from the request target", line_at_);
  }
  return ParseState::Complete;
}

ParseResult RequestParser::feed(std::string_view bytes, RequestHead& head) {
  const ParseState state = scan(bytes, head);
  if (state == ParseState::Complete) {
    const std::size_t consumed = line_at_;
    restart();
    stage_ = Stage::Start;
    return {state, consumed};
  }
  if (state == ParseState::Failed && stage_ != Stage::Failed) {
    stage_ = Stage::Failed;
    head.clear();
  }
  return {state, 0};
}

// Goes on from the stage that the last call stopped in. The stages are inlined: what they find
// stays in registers.
ParseState RequestParser::scan(std::string_view bytes, RequestHead& head) {
  ParseState state = ParseState::Complete;
  switch (stage_) {
    case Stage::Start:
      if (state = start(bytes); state != ParseState::Complete) return state;
      [[fallthrough]];
    case Stage::Method:
      if (state = scan_method(bytes, head); state != ParseState::Complete) return state;
      [[fallthrough]];
    case Stage::Target:
      if (state = scan_target(bytes, head); state != ParseState::Complete) return state;
      [[fallthrough]];
    case Stage::Version:
      if (state = scan_version(bytes, head); state != ParseState::Complete) return state;
      [[fallthrough]];
    case Stage::Fields:
      state = scan_fields(bytes, head.headers_, head.facts_);
      return state == ParseState::Complete ? finish(head) : state;
    case Stage::Failed:
      break;
  }
  return ParseState::Failed;
}

}  // namespace clearway::http
