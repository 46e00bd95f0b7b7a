#include "core/discovery/tracker_url.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace runnel::discovery {
namespace {

TEST(TrackerUrl, takes_apart_what_links_carry) {
  const auto http = TrackerUrl::parse("http://tracker.example/announce?passkey=1");
  ASSERT_TRUE(http);
  EXPECT_EQ(http->host, "tracker.example");
  EXPECT_EQ(http->port, 80);
  EXPECT_EQ(http->target, "/announce?passkey=1");
  EXPECT_EQ(http->to_string(), "http://tracker.example:80/announce?passkey=1");
  EXPECT_EQ(TrackerUrl::parse("HTTPS://a.b")->port, 443);
  EXPECT_EQ(TrackerUrl::parse("HTTPS://a.b")->target, "/");
  EXPECT_EQ(TrackerUrl::parse("http://a.b:8080?x")->target, "/?x");
  const auto udp = TrackerUrl::parse("udp://[2001:db8::1]:6969/announce");
  ASSERT_TRUE(udp);
  EXPECT_EQ(udp->scheme, TrackerScheme::udp);
  EXPECT_EQ(udp->host, "2001:db8::1");
  EXPECT_EQ(udp->authority(), "[2001:db8::1]:6969");
}

TEST(TrackerUrl, refuses_the_rest_with_a_reason) {
  EXPECT_EQ(TrackerUrl::parse("udp://a.b").error(), UrlError::no_port);
  EXPECT_EQ(TrackerUrl::parse("wss://a.b/").error(), UrlError::unsupported_scheme);
  EXPECT_EQ(TrackerUrl::parse("http://a/" + std::string(kMaxTrackerUrlBytes, 'x')).error(), UrlError::too_long);
  for (const char* text :
       {"", "tracker.example", "http://", "http://:80/", "http://user@host/", "http://a b/", "http://a/\r\nHost: b", "http://a/#x",
        "http://a:0/", "http://a:65536/", "http://a:8x/", "http://[::1/", "http://[a]/", "http://[::1]x/", "http://a\\b/",
        "http://b\xc3\xbc"
        "cher/"}) {
    EXPECT_EQ(TrackerUrl::parse(text).error(), UrlError::malformed) << text;
  }
}

// Found by the fuzz target tracker_answer: with its port and slash written out, a long one was longer than allowed.
TEST(TrackerUrl, whatever_is_taken_reads_back_the_same) {
  std::size_t taken = 0;
  for (std::size_t size = kMaxTrackerUrlBytes - 10; size <= kMaxTrackerUrlBytes; ++size) {
    std::string text = "http://a?";
    text.resize(size, 'x');
    const auto url = TrackerUrl::parse(text);
    if (!url) continue;
    ++taken;
    const auto again = TrackerUrl::parse(url->to_string());
    ASSERT_TRUE(again) << size;
    EXPECT_EQ(again->to_string(), url->to_string());
  }
  EXPECT_EQ(taken, 7U) << "a port and a slash are four bytes";
}

TEST(TrackerUrl, every_refusal_has_words_of_its_own) {
  std::set<std::string> words;
  for (const auto error : {UrlError::malformed, UrlError::too_long, UrlError::unsupported_scheme, UrlError::no_port})
    words.insert(message(error));
  EXPECT_EQ(words.size(), 4U);
}

RC_GTEST_PROP(TrackerUrl, percent_encoding_is_undone_by_decoding, (const std::string& bytes)) {
  const std::string encoded = percent_encode(bytes);
  RC_ASSERT(percent_decode(encoded) == bytes);
  RC_ASSERT(TrackerUrl::parse("http://a/" + encoded.substr(0, 1000)).has_value());
}

TEST(TrackerUrl, broken_escapes_are_no_text) {
  for (const char* text : {"%", "%1", "%g0", "a%", "%%20"}) EXPECT_FALSE(percent_decode(text)) << text;
}

}  // namespace
}  // namespace runnel::discovery
