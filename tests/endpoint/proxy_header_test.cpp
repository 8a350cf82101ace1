#include <gmock/gmock.h>
#include <clearway/base/error.hpp>
#include <clearway/endpoint/proxy_header.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::string_literals;
using State = ProxyHeader::State;

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;

// Reads `bytes` as they come, one more each time: the header must not be judged early, and what
// follows must make no difference.
ProxyHeader read(const std::string& bytes) {
  const ProxyHeader whole = parse_proxy_header(bytes);
  if (whole.state == State::complete) {
    for (std::size_t size = 0; size < whole.size; ++size) {
      EXPECT_EQ(parse_proxy_header(std::string_view(bytes).substr(0, size)).state,
                State::incomplete)
          << size;
    }
    EXPECT_EQ(parse_proxy_header(bytes + "GET / HTTP/1.1\r\n").size, whole.size);
  }
  return whole;
}

std::string source_of(const std::string& bytes) {
  const ProxyHeader header = read(bytes);
  if (header.state != State::complete) return "?";
  EXPECT_EQ(header.size, bytes.size());
  return header.source ? header.source->to_string() : "own";
}

TEST(ProxyHeaderTest, TextNamesTheClient) {
  EXPECT_EQ(source_of("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"), "192.168.0.1:56324");
  EXPECT_EQ(source_of("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n"), "[2001:db8::1]:65535");
  EXPECT_EQ(source_of("PROXY UNKNOWN\r\n"), "own");
  EXPECT_EQ(source_of("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), "own");
}

TEST(ProxyHeaderTest, TextThatIsWrongIsRefused) {
  for (const std::string& bytes : {
           "PROXY TCP4 192.168.0.1 192.168.0.11 56324\r\n"s,
           "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 1\r\n"s,
           "PROXY TCP4 192.168.0.1 192.168.0.11 56324 65536\r\n"s,
           "PROXY TCP4 192.168.0.1 192.168.0.11 056324 443\r\n"s,
           "PROXY TCP4  192.168.0.1 192.168.0.11 56324 443\r\n"s,
           "PROXY TCP4 ::1 ::1 56324 443\r\n"s,
           "PROXY TCP6 127.0.0.1 ::1 56324 443\r\n"s,
           "PROXY UDP4 192.168.0.1 192.168.0.11 56324 443\r\n"s,
           "PROXY \r\n"s,
           "proxy TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"s,
           "GET / HTTP/1.1\r\n"s,
           "PROXY UNKNOWN " + std::string(100, 'x'),
           "PROXY UNKNOWN " + std::string(100, 'x') + "\r\n",
       }) {
    EXPECT_EQ(read(bytes).state, State::invalid) << bytes;
  }
  EXPECT_EQ(parse_proxy_header("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n").state,
            State::complete)
      << "107 bytes are the most";
}

TEST(ProxyHeaderTest, BytesNameTheClient) {
  const std::string v4 = "\x0a\x01\x02\x03\xc0\xa8\x00\x01\x12\x34\x01\xbb"s;
  EXPECT_EQ(source_of(signature + "\x21\x11\x00\x0c"s + v4), "10.1.2.3:4660");
  const std::string v6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01"s +
                         std::string(15, '\0') + "\x01"s + "\x00\x50\x01\xbb"s;
  EXPECT_EQ(source_of(signature + "\x21\x21\x00\x24"s + v6), "[2001:db8::1]:80");
  const std::string tlv = "\x03\x00\x04\x01\x02\x03\x04"s;  // after the addresses: passed over
  EXPECT_EQ(source_of(signature + "\x21\x11\x00\x13"s + v4 + tlv), "10.1.2.3:4660");
  EXPECT_EQ(source_of(signature + "\x20\x00\x00\x00"s), "own") << "LOCAL: a health check";
  EXPECT_EQ(source_of(signature + "\x20\x11\x00\x0c"s + v4), "own");
  EXPECT_EQ(source_of(signature + "\x21\x00\x00\x02xx"s), "own");
  EXPECT_EQ(source_of(signature + "\x21\x31\x00\xd8"s + std::string(216, 'p')), "own");
}

TEST(ProxyHeaderTest, BytesThatAreWrongAreRefused) {
  const std::string body(16, '\0');
  for (const std::string& bytes : {
           signature + "\x11\x11\x00\x0c"s + body,  // version 1 in the form of 2
           signature + "\x22\x11\x00\x0c"s + body,  // neither LOCAL nor PROXY
           signature + "\x21\x41\x00\x0c"s + body,  // no such family
           signature + "\x21\x13\x00\x0c"s + body,  // no such transport
           signature + "\x21\x11\x00\x0b"s + body,  // shorter than its addresses
           signature + "\x21\x21\x00\x23"s + body,
           signature + "\x21\x11\xff\xff"s + body,  // longer than anybody needs
           "\r\n\r\n\0\r\nQUIT\r"s,
       }) {
    EXPECT_EQ(read(bytes).state, State::invalid) << ::testing::PrintToString(bytes);
  }
}

TEST(ProxyHeaderTest, OnlyTheListIsTrusted) {
  const auto trusts = [](const TrustedProxies& proxies, const char* address) {
    return proxies.trusts(*Address::ip(address, 1234));
  };
  const TrustedProxies list("10.0.0.7,192.168.0.0/16,fd00::/8,172.16.0.0/12");
  EXPECT_TRUE(trusts(list, "10.0.0.7"));
  EXPECT_TRUE(trusts(list, "::ffff:10.0.0.7")) << "IPv4 as a socket for both sees it";
  EXPECT_FALSE(trusts(list, "10.0.0.8"));
  EXPECT_TRUE(trusts(list, "192.168.255.255"));
  EXPECT_FALSE(trusts(list, "192.169.0.0"));
  EXPECT_TRUE(trusts(list, "fdff::1"));
  EXPECT_FALSE(trusts(list, "fe00::1"));
  EXPECT_TRUE(trusts(list, "172.31.255.255"));
  EXPECT_FALSE(trusts(list, "172.32.0.0"));
  EXPECT_TRUE(list.trusts(Address::unix_path("/tmp/x")));
  EXPECT_TRUE(trusts(TrustedProxies(), "8.8.8.8"));
  for (const char* wrong : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "proxy", "10.0.0.7,,::1"}) {
    EXPECT_NE(tests::error_of([&] { TrustedProxies proxies(wrong); }), "") << wrong;
  }
}

}  // namespace
}  // namespace clearway
