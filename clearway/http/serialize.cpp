#include <clearway/http/characters.hpp>
#include <clearway/http/media.hpp>
#include <clearway/http/serialize.hpp>

#include <fmt/format.h>

#include <charconv>

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
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 203:
      return "Non-Authoritative Information";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 418:
      return "I'm a teapot";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 425:
      return "Too Early";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    case 511:
      return "Network Authentication Required";
    default:
      return {};
  }
}

}  // namespace clearway::http
