#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "player/byte_range.hpp"
#include "player/hls_text.hpp"
#include "player/host_check.hpp"
#include "player/http_types.hpp"
#include "player/qr_svg.hpp"

namespace runnel::player {
namespace {

std::string show(const RangeResult& result) {
  if (std::holds_alternative<WholeContent>(result)) return "whole";
  if (std::holds_alternative<Unsatisfiable>(result)) return "unsatisfiable";
  const auto& range = std::get<ByteRange>(result);
  return std::to_string(range.first) + '+' + std::to_string(range.length);
}

TEST(ByteRange, reads_the_forms_that_players_send) {
  EXPECT_EQ(show(parse_range("bytes=0-", 100)), "0+100");
  EXPECT_EQ(show(parse_range("bytes=0-0", 100)), "0+1");
  EXPECT_EQ(show(parse_range("bytes=10-19", 100)), "10+10");
  EXPECT_EQ(show(parse_range("bytes=90-1000", 100)), "90+10");
  EXPECT_EQ(show(parse_range("bytes=-5", 100)), "95+5");
  EXPECT_EQ(show(parse_range("bytes=-500", 100)), "0+100");
  EXPECT_EQ(show(parse_range("bytes= 10-19 ", 100)), "10+10");
}

TEST(ByteRange, says_when_a_range_lies_outside) {
  EXPECT_EQ(show(parse_range("bytes=100-", 100)), "unsatisfiable");
  EXPECT_EQ(show(parse_range("bytes=99999999999999999999999-", 100)), "unsatisfiable");
  EXPECT_EQ(show(parse_range("bytes=-0", 100)), "unsatisfiable");
  EXPECT_EQ(show(parse_range("bytes=0-", 0)), "unsatisfiable");
}

TEST(ByteRange, ignores_what_it_need_not_honour) {
  for (const auto* header :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "lines=0-1", "bytes=0-1,5-6", "bytes=+1-2", "bytes=1--2"})
    EXPECT_EQ(show(parse_range(header, 100)), "whole") << header;
}

TEST(ByteRange, stays_within_the_content_for_any_text) {
  EXPECT_TRUE(rc::check("range within content", [](const std::string& tail, std::uint64_t size) {
    const RangeResult result = parse_range("bytes=" + tail, size);
    if (const auto* range = std::get_if<ByteRange>(&result)) {
      RC_ASSERT(range->length > 0);
      RC_ASSERT(range->first < size);
      RC_ASSERT(range->length <= size - range->first);
    }
  }));
}

TEST(HostCheck, answers_to_loopback_and_the_address_connected_to_only) {
  const auto local = *base::IpAddress::parse("192.168.1.5");
  for (const auto* host : {"localhost", "LOCALHOST:80", "localhost.", "a.localhost:1", "127.0.0.1", "127.0.0.1:8080", "127.9.9.9",
                           "[::1]:80", "[::1]", "192.168.1.5", "192.168.1.5:8080", "tv.example:99"})
    EXPECT_TRUE(host_allowed(host, local, {"TV.example"})) << host;
  for (const auto* host : {"", ":80", "evil.example", "evil.example:80", "localhost.evil.example", "evillocalhost", "192.168.1.6", "[::2]",
                           "[::1", "[::1]x", "127.0.0.1.evil.example", "localhost:80:90", "localhost:123456", "example", ".localhost"})
    EXPECT_FALSE(host_allowed(host, local, {"TV.example"})) << host;
}

TEST(Query, finds_values_by_name) {
  EXPECT_EQ(query_value("a=1&b=2", "b"), "2");
  EXPECT_EQ(query_value("a=1&b=2", "a"), "1");
  EXPECT_EQ(query_value("ab=1&b", "b"), "");
  EXPECT_EQ(query_value("ab=1", "b"), std::nullopt);
  EXPECT_EQ(query_value("", "b"), std::nullopt);
}

TEST(HlsText, writes_times_as_playlists_want_them) {
  EXPECT_EQ(seconds_text(std::chrono::microseconds{1'001'000}), "1.001000");
  EXPECT_EQ(target_seconds(std::chrono::milliseconds{1023}), 1U);
  EXPECT_EQ(target_seconds(std::chrono::milliseconds{1600}), 2U);
  EXPECT_EQ(target_seconds(std::chrono::milliseconds{20}), 1U);
  EXPECT_EQ(date_text(base::WallTime{std::chrono::microseconds{1'700'000'000'123'999}}), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(date_text(base::WallTime{}), "1970-01-01T00:00:00.000Z");
}

TEST(HlsText, an_attribute_cannot_be_left_by_a_strangers_text) {
  EXPECT_EQ(quoted("a\"b\nc\rd"), "\"a'b c d\"");
  EXPECT_EQ(quoted("\xff"), "\"\xef\xbf\xbd\"");
}

TEST(HlsText, any_bytes_become_valid_utf8_and_valid_utf8_stays) {
  EXPECT_EQ(valid_utf8("gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\xac"), "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\xac");
  EXPECT_EQ(valid_utf8("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(valid_utf8("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_TRUE(rc::check("valid_utf8 is idempotent", [](const std::string& text) {
    const std::string once = valid_utf8(text);
    RC_ASSERT(valid_utf8(once) == once);
  }));
}

TEST(QrSvg, draws_short_and_long_links_and_refuses_longer_ones) {
  const auto small = qr_svg("runnel:abc");
  ASSERT_TRUE(small);
  EXPECT_TRUE(small->starts_with("<svg"));
  EXPECT_TRUE(qr_svg(std::string(2900, 'x')));
  EXPECT_FALSE(qr_svg(std::string(3000, 'x')));
  EXPECT_FALSE(qr_svg(""));
}

}  // namespace
}  // namespace runnel::player
