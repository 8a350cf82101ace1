#pragma once

#include <clearway/http/headers.hpp>
#include <clearway/http/message.hpp>

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

namespace clearway::http {

// Writing heads and chunks. Everything appends to `out`, which the caller keeps between messages.
// Every byte that a program may have taken from elsewhere is checked, so that nothing can smuggle a
// line end into a head: method, target, name, value, reason. A refusal is a `HeaderError` that
// names the byte, and leaves `out` as it was.

/// "GET /path HTTP/1.1\r\n". The target must already be percent-encoded (`Url::target`).
void write_request_line(std::string& out, std::string_view method, std::string_view target);

/// "HTTP/1.1 200 OK\r\n". Status 100 to 999; without a reason the standard phrase is written.
void write_status_line(std::string& out, int status, std::string_view reason = {});

/// "Name: value\r\n", checked as `Headers::add` does.
void write_header(std::string& out, std::string_view name, std::string_view value);

/// "Content-Length: 42\r\n".
void write_content_length(std::string& out, std::uint64_t length);

/// All fields; they were checked when they were added. The empty line is `end_head`.
void write_headers(std::string& out, const Headers& headers);

/// The empty line that ends a head.
void end_head(std::string& out);

/// One chunk with its size line (RFC 9112 section 7.1); nothing for empty data, which would end
/// the body.
void write_chunk(std::string& out, std::string_view data);

/// Only the size line of a chunk of `size` bytes (> 0), for data that is sent from where it lies;
/// "\r\n" must follow the data.
void write_chunk_size(std::string& out, std::uint64_t size);

/// "0\r\n\r\n", or with trailer fields between.
void write_last_chunk(std::string& out);
void write_last_chunk(std::string& out, const Headers& trailers);

/// "OK", "Not Found", ... (RFC 9110 section 15); empty for an unknown status.
std::string_view reason_phrase(int status) noexcept;

/// Throws `HeaderError` unless it is a token of at most 32 bytes.
void check_method(std::string_view method);
/// Throws `HeaderError` if it is empty or holds a space, a control byte, '#' or a non-ASCII byte.
void check_target(std::string_view target);

/// Keeps the "Date: ...\r\n" line of the current second (RFC 9110 section 6.6.1), so that a server
/// formats it once a second. One per loop; the time comes from the caller, that is from its clock.
class DateLine {
 public:
  std::string_view at(std::time_t now);

 private:
  std::time_t second_ = -1;
  std::string line_;
};

}  // namespace clearway::http
