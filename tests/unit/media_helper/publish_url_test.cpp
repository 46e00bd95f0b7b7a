#include "media_helper/publish_url.hpp"

#include <gtest/gtest.h>

#include "media_helper/refusal_log.hpp"
#include "media_helper/srt_server.hpp"

namespace runnel::media_helper {
namespace {

TEST(PublishUrl, an_rtmp_url_gives_address_application_and_key) {
  const auto url = parse_rtmp_url("rtmp://127.0.0.1:0/live/my-key");
  ASSERT_TRUE(url.has_value()) << url.error();
  EXPECT_EQ(url->listen.to_string(), "127.0.0.1:0");
  EXPECT_EQ(url->app, "live");
  EXPECT_EQ(url->key, "my-key");
}

TEST(PublishUrl, the_rtmp_port_may_be_left_out_and_the_application_may_have_slashes) {
  const auto url = parse_rtmp_url("rtmp://[::1]/a/b/key?token=1/2");
  ASSERT_TRUE(url.has_value()) << url.error();
  EXPECT_EQ(url->listen.port, kRtmpDefaultPort);
  EXPECT_EQ(url->app, "a/b");
  EXPECT_EQ(url->key, "key?token=1/2");
  EXPECT_EQ(parse_rtmp_url("rtmp://localhost/live/k")->listen.to_string(), "127.0.0.1:1935");
}

TEST(PublishUrl, an_rtmp_url_without_a_key_is_refused) {
  for (const std::string_view url : {"rtmp://0.0.0.0:1935/live", "rtmp://0.0.0.0:1935/live/", "rtmp://0.0.0.0:1935", "rtmp://0.0.0.0:1935/",
                                     "rtmp://0.0.0.0:1935//key", "rtmp://0.0.0.0:1935?x/live/key", "http://0.0.0.0/live/key"}) {
    EXPECT_FALSE(parse_rtmp_url(url).has_value()) << url;
  }
}

TEST(PublishUrl, a_host_that_is_no_address_is_refused_with_a_hint) {
  const auto url = parse_rtmp_url("rtmp://example.org/live/key");
  ASSERT_FALSE(url.has_value());
  EXPECT_NE(url.error().find("0.0.0.0"), std::string::npos);
}

TEST(PublishUrl, an_srt_url_gives_its_options) {
  const auto url = parse_srt_url("srt://0.0.0.0:9000?streamid=my%2Dkey&latency=200&passphrase=0123456789");
  ASSERT_TRUE(url.has_value()) << url.error();
  EXPECT_EQ(url->key, "my-key");
  EXPECT_EQ(url->latency.count(), 200);
  EXPECT_EQ(url->passphrase, "0123456789");
  EXPECT_EQ(url->listen.port, 9000);
  EXPECT_TRUE(parse_srt_url("srt://0.0.0.0:9000/?mode=listener&passphrase=0123456789").has_value());
}

TEST(PublishUrl, an_srt_url_that_would_let_anybody_in_or_is_wrong_is_refused) {
  for (const std::string_view url :
       {"srt://0.0.0.0:9000", "srt://0.0.0.0:9000?streamid=", "srt://0.0.0.0?streamid=k", "srt://0.0.0.0:9000?streamid=k&latency=x",
        "srt://0.0.0.0:9000?streamid=k&latency=99999", "srt://0.0.0.0:9000?passphrase=short", "srt://0.0.0.0:9000?streamid=k&mode=caller",
        "srt://0.0.0.0:9000?streamid=k&what=1"}) {
    EXPECT_FALSE(parse_srt_url(url).has_value()) << url;
  }
}

TEST(PublishUrl, secrets_are_equal_only_when_they_are) {
  EXPECT_TRUE(equal_in_constant_time("secret", "secret"));
  for (const std::string_view given : {"", "secre", "secreT", "secrett", "secretsecret", "xecret"}) {
    EXPECT_FALSE(equal_in_constant_time(given, "secret")) << given;
  }
  EXPECT_FALSE(equal_in_constant_time("", ""));
}

TEST(SrtStreamId, each_form_with_the_right_key_is_admitted) {
  for (const std::string_view id : {"KEY", "publish:KEY", "#!::r=KEY,m=publish", "#!::m=publish,u=me,r=KEY", "#!::r=KEY"}) {
    EXPECT_TRUE(stream_id_admits(id, "KEY")) << id;
  }
}

TEST(SrtStreamId, anything_else_is_not) {
  for (const std::string_view id :
       {"", "key", "publish:", "publish:KEYS", "read:KEY", "#!::r=KEY,m=request", "#!::m=publish", "#!::", "#!::r="}) {
    EXPECT_FALSE(stream_id_admits(id, "KEY")) << id;
  }
}

TEST(SrtStreamId, without_a_key_any_id_goes_unless_it_asks_to_play) {
  EXPECT_TRUE(stream_id_admits("", ""));
  EXPECT_TRUE(stream_id_admits("anything", ""));
  EXPECT_FALSE(stream_id_admits("#!::r=x,m=request", ""));
}

TEST(RefusalLog, an_address_is_reported_once_for_each_reason_until_time_has_passed) {
  RefusalLog log;
  const auto address = base::IpAddress::v4({192, 0, 2, 1});
  const SteadyTime start{};
  EXPECT_TRUE(log.worth_a_line(address, "wrong key", start));
  EXPECT_FALSE(log.worth_a_line(address, "wrong key", start + std::chrono::minutes{1}));
  EXPECT_TRUE(log.worth_a_line(address, "busy", start));
  EXPECT_TRUE(log.worth_a_line(base::IpAddress::v4({192, 0, 2, 2}), "wrong key", start));
  EXPECT_TRUE(log.worth_a_line(address, "wrong key", start + RefusalLog::kSilencePerAddress));
}

TEST(RefusalLog, it_stays_bounded_and_silent_when_flooded) {
  RefusalLog log;
  const SteadyTime start{};
  int lines = 0;
  for (unsigned i = 0; i < 5000; ++i) {
    const auto address = base::IpAddress::v4({10, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)});
    lines += log.worth_a_line(address, "wrong key", start) ? 1 : 0;
  }
  EXPECT_EQ(lines, static_cast<int>(RefusalLog::kMaxEntries));
  EXPECT_EQ(log.size(), RefusalLog::kMaxEntries);
  EXPECT_TRUE(log.worth_a_line(base::IpAddress::v4({192, 0, 2, 9}), "wrong key", start + RefusalLog::kSilencePerAddress));
}

}  // namespace
}  // namespace runnel::media_helper
