#include "transcript.hpp"

#include <clearway/http/url.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <map>
#include <optional>

namespace clearway::http {
namespace {

using nlohmann::json;

std::string refusal(std::string_view text) {
  try {
    return Url::parse(text).to_string();
  } catch (const UrlError& error) {
    return error.what();
  }
}

TEST(Url, Parts) {
  const Url url = Url::parse("HTTPS://us%20er:p:w@Example.COM:8443/a/./b/../c?x=1&y#z");
  EXPECT_EQ(url.scheme(), "https");
  EXPECT_TRUE(url.secure());
  EXPECT_EQ(url.user(), "us er");
  EXPECT_EQ(url.password(), "p:w");
  EXPECT_EQ(url.host(), "example.com");
  EXPECT_EQ(url.port(), 8443);
  EXPECT_EQ(url.path(), "/a/c");
  EXPECT_EQ(url.target(), "/a/c?x=1&y");
  EXPECT_EQ(url.authority(), "example.com:8443");
  EXPECT_EQ(url.origin(), "https://example.com:8443");
  EXPECT_EQ(url.without_secrets(), "https://example.com:8443/a/c?x=1&y");
}

TEST(Url, NormalForm) {
  EXPECT_EQ(Url::parse("http://a").to_string(), "http://a/");
  EXPECT_EQ(Url::parse("http://a:80").to_string(), "http://a/");
  EXPECT_EQ(Url::parse("wss://a:443?q").to_string(), "wss://a/?q");
  EXPECT_EQ(Url::parse("http://a/\xc3\xbc?\xc3\xbc\"").to_string(), "http://a/%C3%BC?%C3%BC%22");
  EXPECT_EQ(Url::parse("http://[0:0:0:1:0:0:0:1]:81/").to_string(), "http://[::1:0:0:0:1]:81/");
  EXPECT_EQ(Url::parse("http://[::1]").host_name(), "::1");
  EXPECT_TRUE(Url::parse("http://127.0.0.1").host_is_address());
  EXPECT_FALSE(Url::parse("http://127.example").host_is_address());
}

TEST(Url, RefusalPointsAtTheColumn) {
  EXPECT_EQ(refusal("http://a b/"),
            "invalid URL \"http://a b/\": a space is not allowed (column 9)");
  EXPECT_EQ(refusal("localhost:8080/x"),
            "invalid URL \"localhost:8080/x\": it has no scheme: write http:// or https:// before "
            "the host (column 1)");
  EXPECT_EQ(refusal("http://a:99999/"),
            "invalid URL \"http://a:99999/\": the port is above 65535 (column 10)");
  EXPECT_EQ(refusal("http://u:secret@a:x/"),
            "invalid URL \"http://***@a:x/\": a port consists of digits (column 19)");
  for (const char* bad : {"",
                          "http",
                          "http:",
                          "http:/a",
                          "http://",
                          "http:///a",
                          "http://:80",
                          "ftp://a",
                          "//a",
                          "http://a\r\nb",
                          "http://a\\b",
                          "http://u@v@a",
                          "http://%61",
                          "http://\xc3\x28",
                          "http://\xe2\x84\xaa\xe2\x80\xae",
                          "http://a:0",
                          "http://a:-1",
                          "http://[::1",
                          "http://[::g]",
                          "http://[::1]x",
                          "http://[fe80::1%25e]",
                          "http://127.1",
                          "http://0x7f.0.0.1",
                          "http://1.2.3.04",
                          "http://256.1.1.1",
                          "http://a,b"}) {
    EXPECT_THROW(Url::parse(bad), UrlError) << bad;
  }
}

// UTS 46: hosts are looked up, and sent, in their ASCII form.
TEST(Url, InternationalHosts) {
  EXPECT_EQ(Url::parse("http://B\xc3\xbc"
                       "cher.example/")
                .host(),
            "xn--bcher-kva.example");
  EXPECT_EQ(Url::parse("http://\xe4\xbe\x8b\xe3\x81\x88.jp:8080/").to_string(),
            "http://xn--r8jz45g.jp:8080/");
}

// RFC 3986 section 5.4, with a base of ours (its own has a scheme-specific path "/b/c/d;p?q").
TEST(Url, Resolve) {
  const Url base = Url::parse("http://a/b/c/d;p?q#f");
  const std::map<std::string, std::string> cases = {
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g/"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q#s"},
      {"g#s", "http://a/b/c/g#s"},
      {"g?y#s", "http://a/b/c/g?y#s"},
      {";x", "http://a/b/c/;x"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../g", "http://a/g"},
      {"../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},
      {"..g", "http://a/b/c/..g"},
      {"./../g", "http://a/b/g"},
      {"./g/.", "http://a/b/c/g/"},
      {"g/../h", "http://a/b/c/h"},
      {"g?y/../x", "http://a/b/c/g?y/../x"},
      {"https://b/x", "https://b/x"},
      {" a b ", "http://a/b/c/a%20b"},
  };
  for (const auto& [reference, expected] : cases) {
    EXPECT_EQ(base.resolve(reference).to_string(), expected) << reference;
  }
  EXPECT_THROW(base.resolve("javascript:x"), UrlError);
  EXPECT_THROW(base.resolve("/a\r\nb"), UrlError);
}

TEST(Url, OriginsAndQueries) {
  const Url url = Url::parse("https://a/x?1#f");
  EXPECT_TRUE(url.same_origin(Url::parse("https://A:443/y")));
  EXPECT_FALSE(url.same_origin(Url::parse("http://a:443/y")));
  EXPECT_FALSE(url.same_origin(Url::parse("https://a:444/y")));
  EXPECT_FALSE(url.same_origin(Url::parse("https://b/y")));
  Url changed = url;
  changed.append_query("b=2");
  EXPECT_EQ(changed.to_string(), "https://a/x?1&b=2#f");
  changed.set_query("a#b c\n");
  EXPECT_EQ(changed.to_string(), "https://a/x?a%23b%20c%0A#f");
}

TEST(Url, PercentCoding) {
  EXPECT_EQ(percent_encode("a/b c~\xff"), "a%2Fb%20c~%FF");
  EXPECT_EQ(percent_decode("a%2fb%00"), std::string("a/b\0", 4));
  EXPECT_EQ(percent_decode("%"), std::nullopt);
  EXPECT_EQ(percent_decode("%4"), std::nullopt);
  EXPECT_EQ(percent_decode("%4g"), std::nullopt);
}

bool is_ours(std::string_view text) {
  for (const char* scheme : {"http:", "https:", "ws:", "wss:"}) {
    if (text.starts_with(scheme)) return true;
  }
  return false;
}

// Browsers repair what we refuse, each for a reason of its own that the refusal names. What we
// take, we must take as they do.
TEST(Url, AgreesWithBrowsersOnWhatItTakes) {
  std::ifstream file(testing::vectors_folder() + "/url/urltestdata.json");
  if (!file) GTEST_SKIP() << "url/urltestdata.json is not here: set CLEARWAY_VECTORS";
  const char* const explained[] = {
      "is not allowed",                 // spaces, controls, backslashes are not dropped
      "\"//\" must follow the scheme",  // nor slashes added
      "the host is empty",
      "is not an international name",  // stricter than UTS 46 without STD3 rules
      "cannot stand in a host",        // no percent-decoding of hosts, nor odd punctuation
      "but is no IPv4 address",        // only the form of four decimal parts
      "a second '@'",
      "port 0 cannot be connected to",
      "is not http, https, ws or wss",
  };
  // Taken by us, refused by browsers.
  const std::map<std::string, const char*> taken = {};
  std::size_t same = 0;
  for (const json& test : json::parse(file)) {
    if (!test.is_object()) continue;
    const bool failure = test.value("failure", false);
    const bool relative = test["base"].is_string();
    const std::string input = test["input"];
    const std::string against = relative ? test["base"].get<std::string>() : input;
    if (!is_ours(against) || (!failure && !is_ours(test["href"].get<std::string>()))) continue;
    std::string reason;
    std::optional<Url> url;
    try {
      url = relative ? Url::parse(against).resolve(input) : Url::parse(input);
    } catch (const UrlError& error) {
      reason = error.what();
    }
    if (failure) {
      EXPECT_TRUE(!url || taken.contains(input)) << input << " should be refused";
    } else if (url) {
      EXPECT_EQ(url->to_string(), test["href"].get<std::string>()) << input << " from " << against;
      ++same;
    } else {
      bool known = false;
      for (const char* why : explained) known |= reason.find(why) != std::string::npos;
      EXPECT_TRUE(known) << input << "\n" << reason;
    }
  }
  EXPECT_GT(same, 100u);
}

}  // namespace
}  // namespace clearway::http
