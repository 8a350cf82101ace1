#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clearway::http::testing {

/// Where we differ from llhttp's strict mode, by the vector's id, and why.
inline const std::vector<std::pair<std::string_view, const char*>> kLlhttpDifferences = {
    {"request/sample.md:314",
     "HTTP/0.9 is not spoken: a request line has a version (RFC 9112 section 3)"},
    {"request/method.md:96",
     "a CONNECT with Content-Length is framed like any request (RFC 9112 section 6.3)"},
    {"request/method.md:135", "\"*\" is the target of OPTIONS alone (RFC 9112 section 3.2.4)"},
    {"request/method.md:372", "only HTTP is spoken, not ICE"},
    {"request/method.md:400", "only HTTP is spoken, not RTSP"},
    {"request/method.md:430", "only HTTP is spoken, not RTSP"},
    {"request/uri.md:165", "a fragment is no part of a request target (RFC 9112 section 3.2)"},
    {"request/uri.md:222", "userinfo in an http URL is refused (RFC 9110 section 4.2.4)"},
    {"request/connection.md:156",
     "at most one empty line before a request line (RFC 9112 section 2.2)"},
    {"request/transfer-encoding.md:186",
     "a Content-Type trailer comes too late (RFC 9110 section 6.5.1)"},
    {"request/transfer-encoding.md:751", "its target has a fragment; without it: 501 for deflate"},
    {"request/transfer-encoding.md:793",
     "its target has a fragment; without it: 400 for two fields"},
    {"request/invalid.md:66",
     "any token is a method: whether it is known is the program's matter (RFC 9110 section 9.1)"},
    {"request/invalid.md:356",
     "any token is a method: whether it is known is the program's matter (RFC 9110 section 9.1)"},
    {"response/sample.md:40", "only HTTP is spoken, not RTSP"},
    {"response/sample.md:60", "only HTTP is spoken, not ICE"},
    {"response/sample.md:645", "only versions 1.0 and 1.1 are spoken"},
    {"response/sample.md:695",
     "nothing may stand before a status line (RFC 9112 section 2.2 allows it to requests)"},
    {"response/connection.md:492",
     "nothing may stand before a status line: it would be the body of a 304"},
    {"response/connection.md:586",
     "nothing may stand before a status line: it would be the body of a 100"},
    {"response/pipelining.md:4",
     "nothing may stand before a status line: bytes after a body are not skipped"},
    {"response/transfer-encoding.md:43",
     "a transfer coding that cannot be undone is refused, not handed on as the body"},
    {"response/transfer-encoding.md:74",
     "two Transfer-Encoding fields are refused, not handed on as the body"},
    {"response/transfer-encoding.md:110",
     "a transfer coding that cannot be undone is refused, not handed on as the body"},
    {"response/finish.md:6",
     "the end of the connection ends the body, and so the message (RFC 9112 section 6.3)"},
};

/// The same for its vectors of request targets.
inline const std::map<std::string, const char*> kTargetDifferences = {
    {"url.md:3", "a fragment is no part of a request target (RFC 9112 section 3.2)"},
    {"url.md:17", "a fragment is no part of a request target (RFC 9112 section 3.2)"},
    {"url.md:127", "a fragment is no part of a request target (RFC 9112 section 3.2)"},
    {"url.md:138", "a fragment is no part of a request target (RFC 9112 section 3.2)"},
    {"url.md:153", "a fragment is no part of a request target (RFC 9112 section 3.2)"},
    {"url.md:167", "a fragment is no part of a request target (RFC 9112 section 3.2)"},
    {"url.md:193", "userinfo in an http URL is refused (RFC 9110 section 4.2.4)"},
    {"url.md:205", "userinfo in an http URL is refused (RFC 9110 section 4.2.4)"},
    {"url.md:217", "a zone has a meaning only on the client's machine (RFC 6874 section 1)"},
    {"url.md:229", "a zone has a meaning only on the client's machine (RFC 6874 section 1)"},
};

}  // namespace clearway::http::testing
