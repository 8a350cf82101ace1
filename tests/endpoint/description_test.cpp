// The grammar, with Twisted's own cases.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <clearway/base/error.hpp>
#include <clearway/endpoint/description.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using detail::EndpointArguments;
using detail::EndpointDescription;
using ::testing::HasSubstr;

// "[kind,positional,…] {name=value,…}"
std::string parsed(const std::string& text) {
  const EndpointDescription description(text);
  std::string positions = description.kind();
  std::string names;
  for (const auto& argument : description.arguments()) {
    if (argument.name) {
      names += fmt::format("{}{}={}", names.empty() ? "" : ",", *argument.name, argument.value);
    } else {
      positions += "," + argument.value;
    }
  }
  return fmt::format("[{}] {{{}}}", positions, names);
}

TEST(EndpointDescriptionTest, ReadsWhatTwistedReads) {
  EXPECT_EQ(parsed("tcp:80:interface=127.0.0.1"), "[tcp,80] {interface=127.0.0.1}");
  EXPECT_EQ(parsed("unix:address=foo=bar"), "[unix] {address=foo=bar}");
  EXPECT_EQ(parsed(R"(unix:foo\:bar\=baz\:qux\\)"), R"([unix,foo:bar=baz:qux\] {})");
  EXPECT_EQ(parsed(R"(tcp6:port=80:interface=2001\:0DB8\:f00e\:eb00\:\:1)"),
            "[tcp6] {port=80,interface=2001:0DB8:f00e:eb00::1}");
  EXPECT_EQ(parsed("a:b:d=1:c"), "[a,b,c] {d=1}");
  EXPECT_EQ(parsed("stdio:"), "[stdio,] {}");
  EXPECT_EQ(parsed("tcp:a="), "[tcp] {a=}");
  EXPECT_EQ(parsed(R"(tls:x:443:endpoint=tcp\:7.6.5.4\:443)"),
            "[tls,x,443] {endpoint=tcp:7.6.5.4:443}");
  EXPECT_EQ(parsed(R"(tls:x:443:endpoint=tls\:y\:443\:endpoint=unix\\\:/a)"),
            R"([tls,x,443] {endpoint=tls:y:443:endpoint=unix\:/a})");
  EXPECT_EQ(parsed("TCP:80"), "[tcp,80] {}");
  EXPECT_EQ(parsed(R"(a:\8)"), "[a,8] {}");
  EXPECT_EQ(parsed(""), "[] {}");
}

TEST(EndpointDescriptionTest, WhatTwistedMisreadsIsAnError) {
  EXPECT_THAT(tests::error_of([] { EndpointDescription("tcp:80\\"); }),
              HasSubstr("column 7: a backslash stands for the character after it"));
  EXPECT_THAT(tests::error_of([] { EndpointDescription("tcp=5:80"); }),
              HasSubstr("column 1: an endpoint begins with its kind"));
  const auto refusal = [](const char* text) {
    return tests::error_of([&] {
      const EndpointDescription description(text);
      EndpointArguments(description, {"port", "interface", "backlog"});
    });
  };
  EXPECT_EQ(refusal("tcp:80:backlog=5:backlog=7"),
            "endpoint \"tcp:80:backlog=5:backlog=7\", column 18: \"backlog\" is given twice");
  EXPECT_THAT(refusal("tcp:80:port=81"), HasSubstr("column 8: \"port\" is given twice"));
  EXPECT_THAT(refusal("tcp:80:a:5:6"),
              HasSubstr("column 12: one argument too many; tcp endpoints have port, interface"));
  EXPECT_THAT(refusal("tcp:80:speed=5"),
              HasSubstr("column 8: tcp endpoints have no \"speed\"; they have port, interface"));
}

TEST(EndpointDescriptionTest, QuotedTextStandsForItself) {
  for (const std::string& text :
       {std::string("2001:db8::1"), std::string("C:\\a=b"), std::string("\\"), std::string("=:=:"),
        std::string("tls:y:443:endpoint=unix\\:/a")}) {
    const EndpointDescription description("kind:" + quote_endpoint(text));
    ASSERT_EQ(description.arguments().size(), 1U);
    EXPECT_FALSE(description.arguments().front().name.has_value());
    EXPECT_EQ(description.arguments().front().value, text);
    const EndpointDescription named("kind:name=" + quote_endpoint(text));
    EXPECT_EQ(named.arguments().front().value, text);
  }
}

}  // namespace
}  // namespace clearway
