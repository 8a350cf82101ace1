#include <clearway/http/headers.hpp>
#include <clearway/http/parser.hpp>
#include <clearway/http/serialize.hpp>

#include <gtest/gtest.h>

namespace clearway::http {
namespace {

std::string message_of(auto&& action) {
  try {
    action();
  } catch (const HeaderError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Headers, KeepsOrderAndIgnoresCase) {
  Headers headers;
  headers.add("Accept", "a");
  headers.add("X", "1");
  headers.add("accept", " b\t");
  EXPECT_EQ(headers.get("ACCEPT"), "a");
  EXPECT_EQ(headers.get("y"), std::nullopt);
  EXPECT_EQ(headers.get_all("Accept"), (std::vector<std::string_view>{"a", "b"}));
  std::string all;
  for (const Header& header : headers)
    all += std::string(header.name) + "=" + std::string(header.value) + ";";
  EXPECT_EQ(all, "Accept=a;X=1;accept=b;");
}

TEST(Headers, SetAddRemove) {
  Headers headers;
  headers.set("A", "1");
  headers.add("B", "2");
  headers.add("a", "3");
  headers.set("A", "4");
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers[0].value, "4");
  EXPECT_EQ(headers[1].value, "2");
  EXPECT_FALSE(headers.add_if_absent("b", "5"));
  EXPECT_TRUE(headers.add_if_absent("c", "6"));
  EXPECT_EQ(headers.remove("B"), 1u);
  EXPECT_EQ(headers.remove("B"), 0u);
  EXPECT_FALSE(headers.contains("b"));
}

TEST(Headers, TakesViewsIntoItself) {
  Headers headers;
  headers.add("A", "a value that is long enough to be somewhere on the heap");
  for (int i = 0; i < 100; ++i) headers.add(headers[0].name, headers[0].value);
  EXPECT_EQ(headers[100].name, "A");
  EXPECT_EQ(headers[100].value, headers[0].value);
  headers.set(headers[50].name, headers[50].value);
  EXPECT_EQ(headers.size(), 1u);
  EXPECT_EQ(headers[0].value, "a value that is long enough to be somewhere on the heap");
}

TEST(Headers, SettingForEverDoesNotGrow) {
  Headers headers;
  headers.add("Other", "kept");
  for (int i = 0; i < 10000; ++i) headers.set("A", std::to_string(i));
  EXPECT_EQ(headers.get("a"), "9999");
  EXPECT_EQ(headers.get("other"), "kept");
  EXPECT_EQ(headers.size(), 2u);
}

TEST(Headers, RefusalNamesTheByte) {
  Headers headers;
  EXPECT_EQ(message_of([&] { headers.add("X", "a\r\nEvil: 1"); }),
            "value of header X may not contain byte 0x0D (CR) (position 2 of 10 bytes)");
  EXPECT_EQ(message_of([&] { headers.add("X Y", "a"); }),
            "header name may not contain a space (position 2 of 3 bytes)");
  EXPECT_EQ(message_of([&] { headers.set("X", std::string_view("a\0b", 3)); }),
            "value of header X may not contain byte 0x00 (NUL) (position 2 of 3 bytes)");
  EXPECT_NE(message_of([&] { headers.add("", "a"); }), "no error");
  EXPECT_NE(message_of([&] { headers.add("X", "\x7f"); }), "no error");
  EXPECT_TRUE(headers.empty());
}

TEST(Headers, ListTokensMatchWhole) {
  EXPECT_TRUE(has_token("keep-alive, Upgrade", "upgrade"));
  EXPECT_FALSE(has_token("notupgrade", "upgrade"));
  EXPECT_FALSE(has_token("up grade", "upgrade"));
  EXPECT_FALSE(has_token("", "upgrade"));
}

TEST(Serialize, Heads) {
  std::string out;
  write_request_line(out, "GET", "/a?b");
  Headers headers;
  headers.add("Host", "a");
  write_headers(out, headers);
  write_header(out, "X", " y ");
  write_content_length(out, 42);
  end_head(out);
  EXPECT_EQ(out, "GET /a?b HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: 42\r\n\r\n");
  out.clear();
  write_status_line(out, 200);
  write_status_line(out, 404);
  write_status_line(out, 299);
  write_status_line(out, 200, "Fine");
  EXPECT_EQ(out,
            "HTTP/1.1 200 OK\r\nHTTP/1.1 404 Not Found\r\nHTTP/1.1 299 \r\nHTTP/1.1 200 Fine\r\n");
}

TEST(Serialize, Chunks) {
  std::string out;
  write_chunk(out, "0123456789abcdef");
  write_chunk(out, "");
  write_last_chunk(out);
  EXPECT_EQ(out, "10\r\n0123456789abcdef\r\n0\r\n\r\n");
  Headers trailers;
  trailers.add("Sum", "1");
  out.clear();
  write_last_chunk(out, trailers);
  EXPECT_EQ(out, "0\r\nSum: 1\r\n\r\n");
}

// Nothing that a program passes on can end a line (CVE-2019-12387, CVE-2026-21428, CVE-2025-67724).
TEST(Serialize, RefusesInjection) {
  std::string out = "kept";
  for (const char* bad : {"a\r\nb", "a\nb", "a\rb", "a\x01", "a\x7f"}) {
    EXPECT_THROW(write_request_line(out, bad, "/"), HeaderError);
    EXPECT_THROW(write_request_line(out, "GET", bad), HeaderError);
    EXPECT_THROW(write_status_line(out, 200, bad), HeaderError);
    EXPECT_THROW(write_header(out, bad, "x"), HeaderError);
    EXPECT_THROW(write_header(out, "x", bad), HeaderError);
  }
  EXPECT_THROW(write_request_line(out, "GET", "/a b"), HeaderError);
  EXPECT_THROW(write_request_line(out, "GET", ""), HeaderError);
  EXPECT_THROW(write_request_line(out, "", "/"), HeaderError);
  EXPECT_THROW(write_request_line(out, "GET", "/\xc3\xbc"), HeaderError);
  EXPECT_THROW(write_status_line(out, 99), HeaderError);
  EXPECT_EQ(out, "kept");
}

TEST(Serialize, DateIsFormattedOncePerSecond) {
  DateLine date;
  EXPECT_EQ(date.at(784111777), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  EXPECT_EQ(date.at(784111778), "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n");
}

}  // namespace
}  // namespace clearway::http
