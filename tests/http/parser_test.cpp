#include "transcript.hpp"

#include <gtest/gtest.h>

#include <random>

namespace clearway::http {
namespace {

using testing::read_messages;
using testing::read_whole;
using testing::ReadOptions;
using testing::Side;
using testing::Transcript;

// One line per rule: what is sent, what a strict recipient answers (0: accepted), and why.
struct Case {
  const char* rule;  // section of RFC 9112 unless another RFC is named
  std::string bytes;
  int status;
};

std::string get(std::string_view fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}
std::string post(std::string_view fields, std::string_view body) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n" + std::string(body);
}
std::string chunked(std::string_view body) { return post("Transfer-Encoding: chunked\r\n", body); }
std::string line(std::string_view request_line) {
  return std::string(request_line) + "\r\nHost: a\r\n\r\n";
}
std::string nul(std::string_view before, std::string_view after) {
  return std::string(before) + '\0' + std::string(after);
}

void check(const std::vector<Case>& cases, Side side = Side::Request) {
  ReadOptions options;
  options.side = side;
  if (side == Side::Response) options.limits = Limits::client();
  for (const Case& test : cases) {
    const Transcript whole = read_whole(test.bytes, options);
    EXPECT_EQ(whole.status, test.status) << test.rule << "\n"
                                         << test.bytes.substr(0, 300) << "\n"
                                         << to_string(whole).substr(0, 2000);
    // Copying the buffer for every byte of a large one would only take time.
    const std::size_t step = test.bytes.size() < 10000 ? 1 : 61;
    const Transcript bytes = read_messages(test.bytes, options, [&] { return step; });
    EXPECT_EQ(whole, bytes) << test.rule << "\nwhole:\n"
                            << to_string(whole).substr(0, 2000) << "byte by byte:\n"
                            << to_string(bytes).substr(0, 2000);
    if (test.status == 0) {
      ASSERT_FALSE(whole.messages.empty()) << test.rule;
      EXPECT_TRUE(whole.messages.back().complete) << test.rule;
    }
  }
}

TEST(Parser, RequestLine) {
  check({
      {"3: the plain case", line("GET / HTTP/1.1"), 0},
      {"3: any token is a method", line("M-SEARCH /x HTTP/1.1"), 0},
      {"3: two spaces before the target", line("GET  / HTTP/1.1"), 400},
      {"3: two spaces before the version", line("GET /  HTTP/1.1"), 400},
      {"3: a tab as separator", line("GET\t/ HTTP/1.1"), 400},
      {"3: a space after the version", line("GET / HTTP/1.1 "), 400},
      {"3: a space before the method", line(" GET / HTTP/1.1"), 400},
      {"3.1: a method that is no token", line("G(T / HTTP/1.1"), 400},
      {"3.1: a method of 33 bytes", line(std::string(33, 'M') + " / HTTP/1.1"), 501},
      {"3.1: a method of 32 bytes", line(std::string(32, 'M') + " / HTTP/1.1"), 0},
      {"3: no target", line("GET HTTP/1.1"), 400},
      {"3: HTTP/0.9", "GET /\r\n", 400},
      {"3.2: a fragment", line("GET /a#b HTTP/1.1"), 400},
      {"3.2: a control byte", line("GET /a\x01 HTTP/1.1"), 400},
      {"3.2: DEL", line("GET /a\x7f HTTP/1.1"), 400},
      {"3.2: NUL", line(nul("GET /a", " HTTP/1.1")), 400},
      {"3.2: neither path nor URL", line("GET a HTTP/1.1"), 400},
      {"3.2: bytes beyond ASCII are opaque", line("GET /\xc3\xbc HTTP/1.1"), 0},
      {"3: a target longer than 8 KB", line("GET /" + std::string(8192, 'a') + " HTTP/1.1"), 414},
      {"3: a target of 8 KB", line("GET /" + std::string(8191, 'a') + " HTTP/1.1"), 0},
      {"2.2: one empty line before it", "\r\n" + line("GET / HTTP/1.1"), 0},
      {"2.2: two empty lines before it", "\r\n\r\n" + line("GET / HTTP/1.1"), 400},
      {"2.2: a bare LF before it", "\n" + line("GET / HTTP/1.1"), 400},
      {"2.2: a bare LF after it", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
      {"2.2: a bare CR after it", "GET / HTTP/1.1\rHost: a\r\n\r\n", 400},
      {"2.2: a bare CR in the target", "GET /\ra HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a TLS handshake", "\x16\x03\x01\x02", 400},
  });
}

TEST(Parser, Version) {
  check({
      {"2.3: 1.0 needs no Host", "GET / HTTP/1.0\r\n\r\n", 0},
      {"2.3: 1.2", line("GET / HTTP/1.2"), 505},
      {"2.3: 2.0", line("GET / HTTP/2.0"), 505},
      {"2.3: the version is judged before what follows it", "GET / HTTP/5.6\x98", 505},
      {"2.3: lower case", line("GET / http/1.1"), 400},
      {"2.3: 01.1", line("GET / HTTP/01.1"), 400},
      {"2.3: 1.01", line("GET / HTTP/1.01"), 400},
      {"2.3: 1,1", line("GET / HTTP/1,1"), 400},
      {"2.3: only a major version", line("GET / HTTP/1"), 400},
      {"2.3: another protocol", line("GET / RTSP/1.0"), 400},
      {"3.4 of RFC 9113: the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
  });
}

TEST(Parser, Target) {
  check({
      {"3.2.2: absolute form", "GET http://a/p?q HTTP/1.1\r\nHost: a\r\n\r\n", 0},
      {"3.2.2: absolute form that Host contradicts", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
       400},
      {"3.2.2: absolute form without host", "GET http:///p HTTP/1.1\r\nHost: \r\n\r\n", 400},
      {"4.2.4 of RFC 9110: userinfo", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"3.2.2: another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"3.2.3: CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 0},
      {"3.2.3: CONNECT to an IPv6 address", "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
       0},
      {"3.2.3: CONNECT without port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"3.2.3: CONNECT with a path", line("CONNECT /a HTTP/1.1"), 400},
      {"3.2.3: the authority form is CONNECT's", line("GET a:443 HTTP/1.1"), 400},
      {"3.2.4: asterisk form", line("OPTIONS * HTTP/1.1"), 0},
      {"3.2.4: the asterisk form is OPTIONS'", line("GET * HTTP/1.1"), 400},
  });
}

TEST(Parser, Host) {
  const auto with = [](std::string_view fields) {
    return "GET / HTTP/1.1\r\n" + std::string(fields) + "\r\n";
  };
  check({
      {"3.2: missing", with(""), 400},
      {"3.2: twice", with("Host: a\r\nHost: a\r\n"), 400},
      {"3.2: twice in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"3.2: empty", with("Host:\r\n"), 0},
      {"3.2: with port", with("Host: a.example:8080\r\n"), 0},
      {"3.2: IPv6 address", with("Host: [::1]:8080\r\n"), 0},
      {"3.2: userinfo", with("Host: u@a\r\n"), 400},
      {"3.2: a path", with("Host: a/b\r\n"), 400},
      {"3.2: a comma", with("Host: a, b\r\n"), 400},
      {"3.2: a space", with("Host: a b\r\n"), 400},
      {"3.2: a port that is none", with("Host: a:x\r\n"), 400},
      {"3.2: a port above 65535", with("Host: a:65536\r\n"), 400},
      {"3.2: only a port", with("Host: :80\r\n"), 400},
      {"3.2: brackets left open", with("Host: [::1\r\n"), 400},
  });
}

TEST(Parser, FieldLines) {
  check({
      {"5: no space needed after the colon", get("X:1\r\n"), 0},
      {"5.1: blanks around a value are dropped", get("X: \t 1 \t \r\n"), 0},
      {"5.1: an empty value", get("X:\r\n"), 0},
      {"5.1: a space before the colon", get("X : 1\r\n"), 400},
      {"5.1: a tab before the colon", get("X\t: 1\r\n"), 400},
      {"5.1 of RFC 9110: an empty name", get(": 1\r\n"), 400},
      {"5.1 of RFC 9110: a name that is no token", get("X(: 1\r\n"), 400},
      {"5.1 of RFC 9110: a name beyond ASCII", get("X\xc3\xbc: 1\r\n"), 400},
      {"5: a line without colon", get("X\r\n"), 400},
      {"5.2: obs-fold with a space", get("X: 1\r\n 2\r\n"), 400},
      {"5.2: obs-fold with a tab", get("X: 1\r\n\t2\r\n"), 400},
      {"2.2: white space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
      {"2.2: a bare LF", get("X: 1\nY: 2\r\n"), 400},
      {"2.2: a bare CR", get("X: 1\rY: 2\r\n"), 400},
      {"2.2: two CR before the LF", get("X: 1\r\r\n"), 400},
      {"2.2: a head that ends with LF LF", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
      {"2.2: a head that ends with CR CR", "GET / HTTP/1.1\r\nHost: a\r\n\r\r", 400},
      {"5.5 of RFC 9110: NUL", get(nul("X: 1", "2\r\n")), 400},
      {"5.5 of RFC 9110: a vertical tab", get("X: 1\v2\r\n"), 400},
      {"5.5 of RFC 9110: a form feed at the end", get("X: 1\f\r\n"), 400},
      {"5.5 of RFC 9110: ESC",
       get("X: 1\x1b"
           "2\r\n"),
       400},
      {"5.5 of RFC 9110: DEL",
       get("X: 1\x7f"
           "2\r\n"),
       400},
      {"5.5 of RFC 9110: a tab inside", get("X: 1\t2\r\n"), 0},
      {"5.5 of RFC 9110: bytes beyond ASCII", get("X: \xff\x80\r\n"), 0},
  });
}

TEST(Parser, ContentLength) {
  std::vector<Case> cases = {
      {"6.2: a body", post("Content-Length: 5\r\n", "hello"), 0},
      {"6.2: of zero", post("Content-Length: 0\r\n", ""), 0},
      {"6.2: with leading zeros", post("Content-Length: 005\r\n", "hello"), 0},
      {"6.3: with GET too", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 0},
      {"6.3: twice, equal", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400},
      {"6.3: twice, different", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400},
      {"6.1: after Transfer-Encoding",
       post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
      {"6.1: before Transfer-Encoding",
       post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
  };
  for (const char* wrong : {"5, 5", "+5", "-5", "0x5", "5_0", "5 5", "5a", "", "\xd9\xa5", "5.0",
                            "18446744073709551616", "99999999999999999999", "5;"}) {
    cases.push_back(
        {"6.2: 1*DIGIT", post("Content-Length: " + std::string(wrong) + "\r\n", "hello"), 400});
  }
  check(cases);
}

TEST(Parser, TransferEncoding) {
  const auto with = [](std::string_view value) {
    return post("Transfer-Encoding: " + std::string(value) + "\r\n", "0\r\n\r\n");
  };
  check({
      {"6.1: chunked", with("chunked"), 0},
      {"6.1: in any case", with("ChunKed"), 0},
      {"6.1: in HTTP/1.0",
       "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"6.1: chunked twice in a list", with("chunked, chunked"), 400},
      {"6.1: chunked twice in fields",
       post("Transfer-Encoding: chunked\r\n"
            "Transfer-Encoding: chunked\r\n",
            "0\r\n\r\n"),
       400},
      {"6.3: chunked not last", with("chunked, gzip"), 400},
      {"6.3: no chunked", with("gzip"), 400},
      {"6.3: identity", with("identity"), 400},
      {"6.1: another coding before it", with("gzip, chunked"), 501},
      {"6.1: xchunked", with("xchunked"), 400},
      {"6.1: an empty element", with(", chunked"), 400},
      {"6.1: an empty field", with(""), 400},
      {"6.1: a parameter", with("chunked;q=1"), 400},
      {"6.1: in quotes", with("\"chunked\""), 400},
      {"5.5 of RFC 9110: a vertical tab before it", with("\vchunked"), 400},
      {"5.2: folded", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), 400},
      {"5.1: a space before the colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400},
  });
}

TEST(Parser, Chunks) {
  std::vector<Case> cases = {
      {"7.1: two chunks", chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), 0},
      {"7.1: sizes in hexadecimal", chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), 0},
      {"7.1: zeros before the size", chunked("0000000000000001\r\nx\r\n0\r\n\r\n"), 0},
      {"7.1: 17 digits", chunked("00000000000000001\r\nx\r\n0\r\n\r\n"), 400},
      {"7.1: 20 digits", chunked("fffffffffffffffffff0\r\nx\r\n0\r\n\r\n"), 400},
      {"7.1: data longer than its size", chunked("1\r\nxy\r\n0\r\n\r\n"), 400},
      {"7.1: data shorter than its size", chunked("3\r\nx\r\n0\r\n\r\n"), 400},
      {"7.1: a bare LF after the data", chunked("1\r\nx\n0\r\n\r\n"), 400},
      {"7.1: a bare CR after the data", chunked("1\r\nx\r0\r\n\r\n"), 400},
      {"7.1: a bare LF after the size", chunked("1\nx\r\n0\r\n\r\n"), 400},
      {"7.1: a bare CR after the size", chunked("1\rx\r\n0\r\n\r\n"), 400},
      {"7.1: an empty line for a size", chunked("\r\n\r\n"), 400},
      {"7.1.1: extensions", chunked("1;a;b=c;d=\"e;\\\"\\\\ f\"\r\nx\r\n0;z\r\n\r\n"), 0},
      {"7.1.1: an extension without name", chunked("1;\r\nx\r\n0\r\n\r\n"), 400},
      {"7.1.1: an extension without value", chunked("1;a=\r\nx\r\n0\r\n\r\n"), 400},
      {"7.1.1: two '='", chunked("1;a=b=c\r\nx\r\n0\r\n\r\n"), 400},
      {"7.1.1: a bare LF in an extension", chunked("1;a\nb\r\nx\r\n0\r\n\r\n"), 400},
      {"7.1.1: a bare LF in quotes", chunked("1;a=\"\n\"\r\nx\r\n0\r\n\r\n"), 400},
      {"7.1.1: a bare CR in an extension", chunked("1;a\rb\r\nx\r\n0\r\n\r\n"), 400},
      {"7.1.1: a control byte in quotes", chunked("1;a=\"\x01\"\r\nx\r\n0\r\n\r\n"), 400},
      {"7.1.1: bytes after the quotes", chunked("1;a=\"b\"c\r\nx\r\n0\r\n\r\n"), 400},
      {"7.1.1: more than 16 KB of them",
       chunked("1;" + std::string(17000, 'a') + "\r\nx\r\n0\r\n\r\n"), 413},
      {"7.1.2: trailers", chunked("0\r\nX: 1\r\nY: 2\r\n\r\n"), 0},
      {"7.1.2: a trailer without colon", chunked("0\r\nX\r\n\r\n"), 400},
      {"7.1.2: a folded trailer", chunked("0\r\nX: 1\r\n 2\r\n\r\n"), 400},
      {"7.1.2: a bare LF in a trailer", chunked("0\r\nX: 1\n\r\n"), 400},
      {"7.1.2: trailers above 8 KB", chunked("0\r\nX: " + std::string(9000, 'a') + "\r\n\r\n"),
       431},
      {"6.5.1 of RFC 9110: framing", chunked("0\r\nContent-Length: 5\r\n\r\n"), 400},
      {"6.5.1 of RFC 9110: framing", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
      {"6.5.1 of RFC 9110: routing", chunked("0\r\nhost: b\r\n\r\n"), 400},
      {"6.5.1 of RFC 9110: authentication", chunked("0\r\nAuthorization: x\r\n\r\n"), 400},
  };
  std::string many = "0\r\n";
  for (int i = 0; i < 33; ++i) many += "X: 1\r\n";
  cases.push_back({"7.1.2: more than 32 trailers", chunked(many + "\r\n"), 431});
  std::string extended;
  for (int i = 0; i < 20; ++i) extended += "1;" + std::string(1000, 'a') + "\r\nx\r\n";
  cases.push_back({"7.1.1: 16 KB of extensions in all", chunked(extended + "0\r\n\r\n"), 413});
  for (const char* wrong : {"+1", "-1", "0x1", " 1", "1 ", "1\t", "g", "1g", "1 ;a", "1; a"}) {
    cases.push_back({"7.1: 1*HEXDIG", chunked(std::string(wrong) + "\r\nx\r\n0\r\n\r\n"), 400});
  }
  check(cases);
}

TEST(Parser, Caps) {
  std::string hundred;
  for (int i = 0; i < 99; ++i) hundred += "X: 1\r\n";
  std::string large;
  for (int i = 0; i < 10; ++i) large += "X: " + std::string(8000, 'a') + "\r\n";
  check({
      {"5.4 of RFC 9110: 100 fields", get(hundred), 0},
      {"5.4 of RFC 9110: 101 fields", get(hundred + "X: 1\r\n"), 431},
      {"5.4 of RFC 9110: a line of 8 KB", get("X: " + std::string(8189, 'a') + "\r\n"), 0},
      {"5.4 of RFC 9110: a line above 8 KB", get("X: " + std::string(8190, 'a') + "\r\n"), 431},
      {"5.4 of RFC 9110: a name above 8 KB", get(std::string(9000, 'a') + ": 1\r\n"), 431},
      {"5.4 of RFC 9110: 1 MB in one line", get("X: " + std::string(1 << 20, 'a') + "\r\n"), 431},
      {"5.4 of RFC 9110: 80 KB in all", get(large), 431},
  });
}

TEST(Parser, ExpectAndUpgrade) {
  check({
      {"10.1.1 of RFC 9110: 100-continue", get("Expect: 100-Continue\r\n"), 0},
      {"10.1.1 of RFC 9110: anything else", get("Expect: 200-ok\r\n"), 417},
  });
  RequestParser parser;
  RequestHead head;
  const auto parse = [&](const std::string& bytes) {
    parser.reset();
    return parser.feed(bytes, head).state == ParseState::Complete;
  };
  ASSERT_TRUE(parse(get("Expect: 100-continue\r\n")));
  EXPECT_TRUE(head.expect_continue());
  ASSERT_TRUE(parse("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_FALSE(head.expect_continue());
  ASSERT_TRUE(parse(get("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n")));
  EXPECT_TRUE(head.upgrade());
  ASSERT_TRUE(parse(get("Connection: notupgrade\r\nUpgrade: websocket\r\n")));
  EXPECT_FALSE(head.upgrade());
  ASSERT_TRUE(parse(get("Connection: Upgrade\r\n")));
  EXPECT_FALSE(head.upgrade());
}

TEST(Parser, KeepAlive) {
  RequestParser parser;
  RequestHead head;
  const auto keeps = [&](const std::string& bytes) {
    parser.reset();
    EXPECT_EQ(parser.feed(bytes, head).state, ParseState::Complete) << bytes;
    return head.keep_alive();
  };
  EXPECT_TRUE(keeps(get("")));
  EXPECT_FALSE(keeps(get("Connection: close\r\n")));
  EXPECT_FALSE(keeps(get("Connection: foo, CLOSE\r\n")));
  EXPECT_FALSE(keeps(get("Connection: keep-alive\r\nConnection: close\r\n")));
  EXPECT_TRUE(keeps(get("Connection: notclose\r\n")));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
}

TEST(Parser, RequestParts) {
  RequestParser parser;
  RequestHead head;
  const std::string bytes = "GET http://A:80?q=1?2 HTTP/1.1\r\nHost: a:80\r\n\r\nrest";
  const ParseResult result = parser.feed(bytes, head);
  ASSERT_EQ(result.state, ParseState::Complete);
  EXPECT_EQ(bytes.substr(result.consumed), "rest");
  EXPECT_EQ(head.method(), Method::Get);
  EXPECT_EQ(head.target_form(), TargetForm::Absolute);
  EXPECT_EQ(head.host(), "A:80");
  EXPECT_EQ(head.path(), "/");
  EXPECT_EQ(head.query(), "q=1?2");
  ASSERT_EQ(parser.feed("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", head).state,
            ParseState::Complete);
  EXPECT_EQ(head.path(), "*");
  EXPECT_EQ(head.query(), "");
  ASSERT_EQ(parser.feed("PURGE /a%20b?c HTTP/1.0\r\n\r\n", head).state, ParseState::Complete);
  EXPECT_EQ(head.method(), Method::Other);
  EXPECT_EQ(head.method_name(), "PURGE");
  EXPECT_EQ(head.path(), "/a%20b");
  EXPECT_EQ(head.query(), "c");
  EXPECT_EQ(head.host(), "");
  EXPECT_EQ(head.minor_version(), 0);
}

TEST(Parser, FailureSaysWhere) {
  RequestParser parser;
  RequestHead head;
  ASSERT_EQ(parser.feed("GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", head).state,
            ParseState::Failed);
  EXPECT_STREQ(
      parser.failure().to_error("request").what(),
      "malformed request: a space between a header's name and its colon (line 3, byte 26)");
  EXPECT_EQ(parser.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n", head).state, ParseState::Failed);
  parser.reset();
  EXPECT_EQ(parser.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n", head).state, ParseState::Complete);
}

TEST(Parser, Responses) {
  const std::string length = "\r\nContent-Length: 0\r\n\r\n";
  check(
      {
          {"4: the plain case", "HTTP/1.1 200 OK" + length, 0},
          {"4: an empty reason", "HTTP/1.1 200 " + length, 0},
          {"4: no reason and no space (tolerated)", "HTTP/1.1 200" + length, 0},
          {"4: two spaces before the status", "HTTP/1.1  200 OK" + length, 400},
          {"4: a status of two digits", "HTTP/1.1 20 OK" + length, 400},
          {"4: a status of four digits", "HTTP/1.1 2000 OK" + length, 400},
          {"15 of RFC 9110: a status below 100", "HTTP/1.1 099 OK" + length, 400},
          {"4: a control byte in the reason", "HTTP/1.1 200 O\x01K" + length, 400},
          {"4: bytes beyond ASCII in the reason", "HTTP/1.1 200 \xc3\xbc" + length, 0},
          {"2.3: another version", "HTTP/2.0 200 OK" + length, 505},
          {"2.2: a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", 400},
          {"an SSH server", "SSH-2.0-OpenSSH_9.2\r\n", 400},
          {"6.3: both framings",
           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
          {"6.3: lengths that differ",
           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n", 400},
          {"6.1: chunked in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
          {"5.2: folded", "HTTP/1.1 200 OK\r\nX: 1\r\n 2" + length, 400},
          {"9.6: bytes after a complete answer that closes",
           "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\nx", 400},
      },
      Side::Response);
}

TEST(Parser, ResponseBodyRules) {
  struct Rule {
    const char* head;
    Method request;
    BodyKind kind;
    bool keep_alive;
  };
  const Rule rules[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Get, BodyKind::Length, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Head, BodyKind::None, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::Get, BodyKind::Chunked,
       true},
      {"HTTP/1.1 200 OK\r\n\r\n", Method::Get, BodyKind::UntilClose, false},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Method::Get, BodyKind::None, true},
      {"HTTP/1.1 204 No Content\r\n\r\n", Method::Get, BodyKind::None, true},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", Method::Get, BodyKind::None, false},
      {"HTTP/1.1 200 OK\r\n\r\n", Method::Connect, BodyKind::None, false},
      {"HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\n", Method::Connect, BodyKind::Length, true},
      {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Get, BodyKind::Length, false},
      {"HTTP/1.1 101 Switching Protocols\r\n\r\n", Method::Get, BodyKind::None, false},
  };
  for (const Rule& rule : rules) {
    ResponseParser parser;
    ResponseHead head;
    ASSERT_EQ(parser.feed(rule.head, head).state, ParseState::Complete) << rule.head;
    EXPECT_EQ(head.body_kind(rule.request), rule.kind) << rule.head;
    EXPECT_EQ(head.keep_alive(rule.request), rule.keep_alive) << rule.head;
  }
}

TEST(Parser, AnyCutGivesTheSame) {
  const std::string streams[] = {
      "\r\nPOST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX: a long enough value "
      "of "
      "more than sixteen bytes\r\n\r\n5;x=\"y\\\"\"\r\nhello\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.1\r\n"
      "Host: b\r\n\r\nPUT / HTTP/1.1\r\nHost: c\r\nContent-Length: 3\r\n\r\nabc",
      "GET /a HTTP/1.1\r\nHost: a\r\nX: good\r\nY: ba\x01"
      "d and more\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
  };
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    std::string stream = streams[seed % 3];
    // Half of them with one byte changed, so that failures are cut as well.
    if (seed % 2 == 0) stream[random() % stream.size()] = static_cast<char>(random() % 256);
    const ReadOptions options;
    const Transcript whole = read_whole(stream, options);
    const Transcript cut = read_messages(stream, options, [&] { return 1 + random() % 20; });
    ASSERT_EQ(whole, cut) << "seed " << seed << "\n"
                          << to_string(whole) << "cut:\n"
                          << to_string(cut);
  }
}

}  // namespace
}  // namespace clearway::http
