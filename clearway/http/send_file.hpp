#pragma once

// Files as answers.
//
//   app.get("/report", [](http::Request& request) -> Task<http::Response> {
//     co_return co_await http::send_file(request, "data/report.pdf");
//   });

#include <string>
#include <string_view>

#include <clearway/http/request.hpp>
#include <clearway/http/response.hpp>

namespace clearway::http {

// Answers with the content of a file, which the kernel sends where it can. Content-Type follows
// from the name's ending. With Last-Modified and a strong ETag, so that the preconditions of RFC
// 9110 section 13 are answered with 304 or 412, and one range (section 14, If-Range included) with
// 206 or 416; several ranges at once get the whole file, as section 14.2 allows. HEAD gets the
// head.
//
// Abort with 404 when there is no such file or it is a directory, with 403 when it may not be read;
// FileError for what else goes wrong. A file that is cut while it is sent ends the connection.
//
// `path` is the program's, not the client's: whoever makes it of what a client sent has to see that
// it stays where it should.
Task<Response> send_file(Request& request, std::string path);

// "text/html; charset=utf-8" for "index.html"; "application/octet-stream" for what is not known.
std::string_view content_type_of(std::string_view path) noexcept;

}  // namespace clearway::http
