#include <clearway/http/characters.hpp>
#include <clearway/http/media.hpp>
#include <clearway/http/serialize.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

namespace clearway::http {

namespace {

constexpr std::size_t kLongestMethod = 32;

void append_number(std::string& out, std::uint64_t value, int base) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
  out.append(digits, end);
}

void append_fields(std::string& out, const Headers& headers) {
  for (const Header& header : headers) {
    out.append(header.name).append(": ").append(header.value).append("\r\n");
  }
}

struct Phrase {
  int status;
  std::string_view text;
};

constexpr Phrase kPhrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {511, "Network Authentication Required"},
};

}  // namespace

void check_method(std::string_view method) {
  if (method.empty()) throw HeaderError("the method must not be empty");
  if (method.size() > kLongestMethod) {
    throw HeaderError(
        fmt::format("a method of {} bytes: at most {} are allowed", method.size(), kLongestMethod));
  }
  for (char byte : method) {
    if (detail::is(byte, detail::kToken)) continue;
    throw HeaderError(fmt::format("a method may not contain {}", detail::show_byte(byte)));
  }
}

void check_target(std::string_view target) {
  if (target.empty()) throw HeaderError("the request target must not be empty");
  for (std::size_t i = 0; i < target.size(); ++i) {
    const char byte = target[i];
    if (detail::is(byte, detail::kTarget) && static_cast<unsigned char>(byte) < 0x80) continue;
    throw HeaderError(
        fmt::format("the request target may not contain {} (position {}): percent-encode it",
                    detail::show_byte(byte), i + 1));
  }
}

void write_request_line(std::string& out, std::string_view method, std::string_view target) {
  check_method(method);
  check_target(target);
  out.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
}

void write_status_line(std::string& out, int status, std::string_view reason) {
  if (status == 200 && reason.empty()) {
    out.append("HTTP/1.1 200 OK\r\n");
    return;
  }
  if (status < 100 || status > 999) {
    throw HeaderError(fmt::format("status {} is not between 100 and 999", status));
  }
  for (char byte : reason) {
    if (detail::is(byte, detail::kText)) continue;
    throw HeaderError(fmt::format("a reason phrase may not contain {}", detail::show_byte(byte)));
  }
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(status), 10);
  out.append(" ").append(reason.empty() ? reason_phrase(status) : reason).append("\r\n");
}

void write_header(std::string& out, std::string_view name, std::string_view value) {
  check_header(name, value);
  out.append(name).append(": ").append(trim_blanks(value)).append("\r\n");
}

void write_content_length(std::string& out, std::uint64_t length) {
  out.append("Content-Length: ");
  append_number(out, length, 10);
  out.append("\r\n");
}

void write_headers(std::string& out, const Headers& headers) { append_fields(out, headers); }

void end_head(std::string& out) { out.append("\r\n"); }

void write_chunk_size(std::string& out, std::uint64_t size) {
  if (size == 0) throw HeaderError("a chunk of no bytes would end the body");
  append_number(out, size, 16);
  out.append("\r\n");
}

void write_chunk(std::string& out, std::string_view data) {
  if (data.empty()) return;
  write_chunk_size(out, data.size());
  out.append(data).append("\r\n");
}

void write_last_chunk(std::string& out) { out.append("0\r\n\r\n"); }

void write_last_chunk(std::string& out, const Headers& trailers) {
  out.append("0\r\n");
  append_fields(out, trailers);
  out.append("\r\n");
}

std::string_view DateLine::at(std::time_t now) {
  if (now != second_ || line_.empty()) {
    line_ = "Date: " + format_date(now) + "\r\n";
    second_ = now;
  }
  return line_;
}

std::string_view reason_phrase(int status) noexcept {
  const auto* found =
      std::lower_bound(std::begin(kPhrases), std::end(kPhrases), status,
                       [](const Phrase& phrase, int wanted) { return phrase.status < wanted; });
  return found != std::end(kPhrases) && found->status == status ? found->text : std::string_view();
}

}  // namespace clearway::http
