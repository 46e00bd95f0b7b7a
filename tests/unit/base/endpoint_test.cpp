#include "base/endpoint.hpp"

#include <gtest/gtest.h>

namespace runnel::base {
namespace {

TEST(Endpoint, text_goes_round) {
  for (const char* text : {"127.0.0.1:1", "[::1]:65535", "[2001:db8::1]:6778", "[fe80::a:0:0:1]:9", "192.0.2.255:0", "[1:2:3:4:5:6:7:8]:5",
                           "[::]:7", "[1::]:7"}) {
    const auto parsed = Endpoint::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->to_string(), text);
  }
}

TEST(Endpoint, mapped_addresses_are_ipv4) {
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.1"), IpAddress::parse("192.0.2.1"));
  EXPECT_TRUE(IpAddress::parse("::ffff:7f00:1")->is_loopback());
}

TEST(Endpoint, refuses_what_is_no_endpoint) {
  for (const char* text :
       {"", ":", "1.2.3.4", "1.2.3:4", "1.2.3.4.5:6", "1.2.3.256:6", "1.2.3.4:65536", "::1:5", "[::1]", "[:::1]:5", "[1:2:3:4:5:6:7:8:9]:5",
        "[12345::]:5", "[1::2::3]:5", "host:5", "1.2.3.4:", "1.2.3.4:-1", "1.2.3.4:5 ", "[1:]:5"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

TEST(Endpoint, knows_private_places) {
  const auto is_private = [](const char* text) { return IpAddress::parse(text)->is_private(); };
  EXPECT_TRUE(is_private("10.0.0.1"));
  EXPECT_TRUE(is_private("172.31.0.1"));
  EXPECT_TRUE(is_private("192.168.1.1"));
  EXPECT_TRUE(is_private("169.254.1.1"));
  EXPECT_TRUE(is_private("fd00::1"));
  EXPECT_TRUE(is_private("fe80::1"));
  EXPECT_FALSE(is_private("172.32.0.1"));
  EXPECT_FALSE(is_private("2001:db8::1"));
  EXPECT_FALSE(is_private("127.0.0.1"));
}

}  // namespace
}  // namespace runnel::base
