#include <gtest/gtest.h>
#include <clearway/base/error.hpp>
#include <clearway/loop/address.hpp>

namespace {

using clearway::Address;
using clearway::UsageError;

TEST(Address, ReadsLiterals) {
  EXPECT_EQ(Address::ip("127.0.0.1", 80)->to_string(), "127.0.0.1:80");
  EXPECT_EQ(Address::ip("::1", 8080)->to_string(), "[::1]:8080");
  EXPECT_EQ(Address::ip("2001:DB8:0:0:0:0:0:1", 1)->host(), "2001:db8::1");
  EXPECT_EQ(Address::ip("::ffff:192.0.2.1", 1)->host(), "::ffff:192.0.2.1");
  EXPECT_EQ(Address::ip("fe80::1%1", 1)->host(), "fe80::1%1");
  EXPECT_EQ(Address::loopback(65535).port(), 65535);
  EXPECT_EQ(Address::any(0).host(), "0.0.0.0");
}

TEST(Address, RefusesWhatIsNone) {
  for (const char* text :
       {"", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "[::1]",
        ":::", "::1%", "::1%nosuchinterface", "::1%99999999999", "12345", "0x7f.0.0.1", "::1%-1"}) {
    EXPECT_FALSE(Address::ip(text, 80).has_value()) << text;
  }
  EXPECT_FALSE(Address::ip(std::string_view("127.0.0.1\0x", 11), 80).has_value());
}

TEST(Address, UnixPaths) {
  const Address path = Address::unix_path("/run/app.sock");
  EXPECT_TRUE(path.is_unix());
  EXPECT_EQ(path.to_string(), "unix:/run/app.sock");
  EXPECT_EQ(path.port(), 0);
  EXPECT_EQ(Address::unix_path("@abstract").host(), "@abstract");
  EXPECT_EQ(Address::unix_path(std::string(107, 'p')).host().size(), 107U);
  EXPECT_THROW(Address::unix_path(std::string(108, 'p')), UsageError);
  EXPECT_THROW(Address::unix_path(""), UsageError);
}

TEST(Address, IsAValue) {
  Address one = Address::loopback(80);
  Address two = Address::loopback(81);
  EXPECT_FALSE(one == two);
  two.set_port(80);
  EXPECT_TRUE(one == two);
  EXPECT_FALSE(one == Address::unix_path("/x"));
  EXPECT_EQ(Address().to_string(), "(no address)");
  Address path = Address::unix_path("/x");
  path.set_port(7);
  EXPECT_EQ(path.host(), "/x");
}

}  // namespace
