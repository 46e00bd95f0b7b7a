#include "core/discovery/http_announce.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/discovery/bencode.hpp"

namespace runnel::discovery {
namespace {

using base::Endpoint;
using std::chrono::seconds;

const PeerId kOwn{{std::byte{'m'}, std::byte{'e'}}};

auto parse(std::string_view body) { return parse_announce_answer(base::as_bytes(body), kOwn); }
TrackerUrl url(std::string_view text) { return *TrackerUrl::parse(text); }

TEST(HttpAnnounce, builds_the_url_of_bep_3) {
  AnnounceParameters p{.info_hash = *InfoHash::from(*base::from_hex("123456789abcdef123456789abcdef123456789a")),
                       .peer_id = *PeerId::from(base::as_bytes("-RN0100-abcdefghijkl")),
                       .port = 6778,
                       .stats = {.uploaded = 1, .downloaded = 2, .left = 3},
                       .event = AnnounceEvent::started,
                       .num_want = 50,
                       .key = 0xab};
  EXPECT_EQ(announce_url(url("http://t.example/announce"), p),
            "http://t.example:80/announce?info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A&peer_id=-RN0100-abcdefghijkl&port=6778"
            "&uploaded=1&downloaded=2&left=3&compact=1&numwant=50&key=000000ab&event=started");
  p.event = AnnounceEvent::none;
  p.ipv6 = base::IpAddress::parse("2001:db8::1");
  p.tracker_id = "a b";
  const std::string again = announce_url(url("http://t.example/a?key=x"), p);
  EXPECT_TRUE(again.starts_with("http://t.example:80/a?key=x&info_hash=")) << again;
  EXPECT_TRUE(again.ends_with("&ipv6=2001%3Adb8%3A%3A1&trackerid=a%20b")) << again;
  EXPECT_EQ(again.find("event="), std::string::npos);
}

TEST(HttpAnnounce, builds_scrape_urls_where_bep_48_allows) {
  const std::vector<InfoHash> hashes(2);
  const std::string zeros = "%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00";
  EXPECT_EQ(*scrape_url(url("http://t.example/x/announce.php?k=1"), hashes),
            "http://t.example:80/x/scrape.php?k=1&info_hash=" + zeros + "&info_hash=" + zeros);
  EXPECT_FALSE(scrape_url(url("http://t.example/a"), hashes));
  EXPECT_FALSE(scrape_url(url("http://t.example/announce/x"), hashes));
  EXPECT_FALSE(scrape_url(url("http://t.example/announce"), {}));
  EXPECT_FALSE(scrape_url(url("http://t.example/announce"), std::vector<InfoHash>(kMaxScrapeHashes + 1)));
}

TEST(HttpAnnounce, reads_compact_peers_of_both_families) {
  const std::string body = "d8:completei3e10:incompletei4e8:intervali1800e12:min intervali60e5:peers12:" +
                           std::string("\x0a\0\0\1\x1a\xe1\xc0\0\2\1\0\x50", 12) +
                           "6:peers618:" + std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x1a\xe1", 18) + "15:warning message3:low" +
                           "e";
  const auto answer = parse(body);
  ASSERT_TRUE(answer) << message(answer.error());
  EXPECT_EQ(answer->interval, seconds{1800});
  EXPECT_EQ(answer->min_interval, seconds{60});
  EXPECT_EQ(answer->seeders, 3U);
  EXPECT_EQ(answer->leechers, 4U);
  EXPECT_EQ(answer->warning, "low");
  const std::vector<Endpoint> expected{*Endpoint::parse("10.0.0.1:6881"), *Endpoint::parse("192.0.2.1:80"),
                                       *Endpoint::parse("[2001:db8::1]:6881")};
  EXPECT_EQ(answer->peers, expected);
}

TEST(HttpAnnounce, reads_the_dictionary_form_and_leaves_itself_out) {
  const std::string me = "me" + std::string(18, '\0');
  const std::string body =
      "d8:intervali900e5:peersld2:ip9:192.0.2.14:porti80eed2:ip11:2001:db8::14:porti81eed2:ip9:192.0.2.37:peer id20:" + me +
      "4:porti82eed2:ip12:peer.example4:porti83eed2:ip9:192.0.2.44:porti0eed2:ip9:192.0.2.5eee";
  const auto answer = parse(body);
  ASSERT_TRUE(answer) << message(answer.error());
  const std::vector<Endpoint> expected{*Endpoint::parse("192.0.2.1:80"), *Endpoint::parse("[2001:db8::1]:81")};
  EXPECT_EQ(answer->peers, expected);
}

TEST(HttpAnnounce, a_refusal_is_told_in_the_trackers_own_printable_words) {
  const auto refused = parse("d14:failure reason14:not registerede");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, AnswerError::Kind::refused);
  EXPECT_EQ(message(refused.error()), "the tracker refused: not registered");
  const auto hostile = parse(
      "d14:failure reason8:a\x1b[2Jb\n\xff"
      "e");
  ASSERT_FALSE(hostile);
  EXPECT_EQ(hostile.error().reason, "a?[2Jb??");
  const auto longer = parse("d14:failure reason1000:" + std::string(1000, 'x') + "e");
  EXPECT_EQ(longer.error().reason.size(), kMaxTrackerTextBytes);
}

TEST(HttpAnnounce, what_is_no_answer_is_an_error) {
  for (const char* body : {"", "<html>", "i1e", "le", "de", "d8:intervali-5ee", "d8:interval3:abce"}) {
    const auto answer = parse(body);
    ASSERT_FALSE(answer) << body;
    EXPECT_EQ(answer.error().kind, AnswerError::Kind::malformed) << body;
  }
}

TEST(HttpAnnounce, keeps_to_its_limits) {
  std::string peers;
  for (std::size_t i = 0; i < kMaxPeersPerAnswer + 100; ++i) peers += std::string("\x0a\x01", 2) + char(i >> 8) + char(i) + "\x1a\xe1";
  const auto answer = parse("d8:intervali9000000000e5:peers" + std::to_string(peers.size()) + ':' + peers +
                            "10:tracker id300:" + std::string(300, 'x') + "e");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->peers.size(), kMaxPeersPerAnswer);
  EXPECT_EQ(answer->interval, std::chrono::hours{7 * 24});
  EXPECT_TRUE(answer->tracker_id.empty());
}

TEST(HttpAnnounce, endpoints_nobody_can_be_at_are_left_out) {
  for (const char* text :
       {"0.0.0.0:80", "0.1.2.3:80", "224.0.0.1:80", "255.255.255.255:80", "240.0.0.1:80", "192.0.2.1:0", "[::]:80", "[ff02::1]:80"}) {
    EXPECT_FALSE(usable_endpoint(*Endpoint::parse(text))) << text;
  }
  for (const char* text : {"127.0.0.1:80", "10.0.0.1:1", "[::1]:80", "[fe80::1]:80", "[2001:db8::1]:65535"}) {
    EXPECT_TRUE(usable_endpoint(*Endpoint::parse(text))) << text;
  }
}

rc::Gen<Endpoint> endpoints() {
  return rc::gen::apply(
      [](bool v4, std::array<std::uint8_t, 16> octets, std::uint16_t port) {
        const auto address = v4 ? base::IpAddress::v4({octets[0], octets[1], octets[2], octets[3]}) : base::IpAddress::v6(octets);
        return Endpoint{address, port};
      },
      rc::gen::arbitrary<bool>(), rc::gen::arbitrary<std::array<std::uint8_t, 16>>(), rc::gen::arbitrary<std::uint16_t>());
}

RC_GTEST_PROP(HttpAnnounce, answers_come_back_as_they_were_written, ()) {
  AnnounceAnswer answer{.interval = seconds{*rc::gen::inRange(0, 100'000)},
                        .min_interval = seconds{*rc::gen::inRange(0, 1000)},
                        .seeders = *rc::gen::arbitrary<std::uint32_t>(),
                        .leechers = *rc::gen::arbitrary<std::uint32_t>()};
  std::vector<Endpoint> v6;
  for (const Endpoint& e : *rc::gen::container<std::vector<Endpoint>>(endpoints())) {
    if (usable_endpoint(e)) (e.address.is_v4() ? answer.peers : v6).push_back(e);
  }
  answer.peers.insert(answer.peers.end(), v6.begin(), v6.end());
  const Endpoint external = *endpoints();
  if (usable_endpoint({external.address, 1})) answer.external_address = external.address;
  const std::string body = encode_announce_answer(answer);
  RC_ASSERT(decode_bencode(base::as_bytes(body)).has_value());  // strictly: sorted keys
  const auto back = parse(body);
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->interval == answer.interval);
  RC_ASSERT(back->min_interval == answer.min_interval);
  RC_ASSERT(back->seeders == answer.seeders);
  RC_ASSERT(back->leechers == answer.leechers);
  RC_ASSERT(back->peers == answer.peers);
  RC_ASSERT(back->external_address == answer.external_address);
}

TEST(HttpScrape, comes_back_as_it_was_written_each_swarm_once) {
  const InfoHash a{{std::byte{2}}}, b{{std::byte{1}}};
  const std::vector<ScrapeEntry> entries{{a, {1, 2, 3}}, {b, {4, 5, 6}}, {a, {1, 2, 3}}};
  const auto back = parse_scrape_answer(base::as_bytes(encode_scrape_answer(entries, seconds{30})));
  ASSERT_TRUE(back) << message(back.error());
  ASSERT_EQ(back->size(), 2U);
  EXPECT_EQ((*back)[0].info_hash, b);
  EXPECT_EQ((*back)[1].counts.seeders, 1U);
  EXPECT_EQ((*back)[1].counts.completed, 2U);
  EXPECT_EQ((*back)[1].counts.leechers, 3U);
  EXPECT_FALSE(parse_scrape_answer(base::as_bytes("d5:filesi1ee")));
  EXPECT_EQ(parse_scrape_answer(base::as_bytes(encode_failure("no"))).error().reason, "no");
}

}  // namespace
}  // namespace runnel::discovery
