// The tracker's decisions and its two protocols, without sockets and in made-up time.
#include "tracker/service.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <set>

#include "tracker/http_handler.hpp"
#include "tracker/memory_store.hpp"
#include "tracker/udp_handler.hpp"

namespace runnel::tracker {
namespace {

using base::Bytes;
using base::Endpoint;
using base::IpAddress;
using base::Time;
using discovery::AnnounceEvent;
using discovery::InfoHash;
using discovery::PeerId;
using namespace std::chrono_literals;

const Time kNow{1'000'000s};
const InfoHash kSwarm{{std::byte{1}}};
IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }
Endpoint at(std::string_view text) { return *Endpoint::parse(text); }

TrackerService make_service(StoreLimits limits = {}, RateLimit rate = {}) {
  return {std::make_unique<MemoryStore>(limits), Policy{}, rate, 1};
}

struct Asking {
  AnnounceEvent event = AnnounceEvent::none;
  std::uint64_t left = 1;
  std::optional<IpAddress> claimed;
  std::optional<std::size_t> num_want;
};
Announcement from(std::string_view endpoint, Asking asking = {}) {
  const Endpoint e = at(endpoint);
  PeerId id;
  base::store_big_endian(id.bytes.data(), static_cast<std::uint64_t>(std::hash<Endpoint>{}(e)));
  return {.parameters = {.info_hash = kSwarm, .peer_id = id, .port = e.port, .stats = {.left = asking.left}, .event = asking.event},
          .source = e.address,
          .claimed = asking.claimed,
          .num_want = asking.num_want};
}
std::set<Endpoint> told(TrackerService& service, std::string_view endpoint, Asking asking = {}) {
  const auto answer = service.announce(from(endpoint, asking), kNow);
  if (!answer) throw std::runtime_error(answer.error());
  return {answer->peers.begin(), answer->peers.end()};
}

TEST(TrackerService, tells_peers_of_each_other_until_they_stop) {
  auto service = make_service();
  EXPECT_TRUE(told(service, "203.0.113.1:1").empty());
  EXPECT_EQ(told(service, "203.0.113.2:2"), std::set{at("203.0.113.1:1")});
  EXPECT_EQ(told(service, "203.0.113.1:1"), std::set{at("203.0.113.2:2")});
  EXPECT_TRUE(told(service, "203.0.113.1:1", {.event = AnnounceEvent::stopped}).empty());
  EXPECT_TRUE(told(service, "203.0.113.2:2").empty());
  EXPECT_EQ(service.stats().totals.peers, 1U);
}

TEST(TrackerService, nobody_is_stopped_by_another_address) {
  auto service = make_service();
  told(service, "203.0.113.1:1");
  told(service, "203.0.113.9:1", {.event = AnnounceEvent::stopped, .claimed = ip("203.0.113.1")});
  EXPECT_EQ(service.stats().totals.peers, 1U);
}

TEST(TrackerService, seeds_are_not_told_of_seeds) {
  auto service = make_service();
  told(service, "203.0.113.1:1", {.left = 0});
  EXPECT_TRUE(told(service, "203.0.113.2:2", {.left = 0}).empty());
  EXPECT_EQ(told(service, "203.0.113.3:3").size(), 2U);
  EXPECT_EQ(told(service, "203.0.113.2:2", {.left = 0}), std::set{at("203.0.113.3:3")});
}

TEST(TrackerService, an_asker_is_not_told_of_itself_at_its_other_address) {
  auto service = make_service();
  told(service, "203.0.113.1:1");
  auto same = from("203.0.113.1:1");
  same.source = ip("2001:db8::1");
  EXPECT_TRUE(service.announce(same, kNow)->peers.empty());
  EXPECT_EQ(service.stats().totals.peers, 2U);
}

TEST(TrackerService, addresses_are_told_only_to_those_who_can_reach_them) {
  auto service = make_service();
  for (const char* peer : {"127.0.0.1:1", "192.168.1.1:2", "203.0.113.1:3", "[fd00::1]:4", "[2001:db8::1]:5"}) told(service, peer);
  EXPECT_EQ(told(service, "203.0.113.9:9"), (std::set{at("203.0.113.1:3"), at("[2001:db8::1]:5")}));
  EXPECT_EQ(told(service, "192.168.1.9:9"),
            (std::set{at("192.168.1.1:2"), at("203.0.113.1:3"), at("[fd00::1]:4"), at("[2001:db8::1]:5"), at("203.0.113.9:9")}));
  EXPECT_TRUE(told(service, "127.0.0.1:9").contains(at("127.0.0.1:1")));
}

TEST(TrackerService, only_loopback_may_claim_an_address_and_only_a_private_one) {
  auto service = make_service();
  told(service, "203.0.113.1:1", {.claimed = ip("203.0.113.200")});
  told(service, "192.168.1.1:2", {.claimed = ip("192.168.1.200")});
  told(service, "127.0.0.1:3", {.claimed = ip("203.0.113.200")});
  told(service, "127.0.0.1:4", {.claimed = ip("192.168.1.4")});
  EXPECT_EQ(told(service, "192.168.1.9:9"), (std::set{at("203.0.113.1:1"), at("192.168.1.1:2"), at("192.168.1.4:4")}));
}

TEST(TrackerService, the_casters_own_peers_are_told_to_those_who_can_reach_them_and_stay) {
  auto service = make_service();
  service.set_local_peers(kSwarm, {at("127.0.0.1:7"), at("192.168.1.5:7"), at("203.0.113.5:7")});
  told(service, "127.0.0.1:7");
  EXPECT_EQ(told(service, "192.168.1.9:9"), (std::set{at("192.168.1.5:7"), at("203.0.113.5:7")}));
  EXPECT_EQ(told(service, "203.0.113.9:9"), std::set{at("203.0.113.5:7")});
  EXPECT_TRUE(service.tick(kNow + 10h, {}));
  EXPECT_EQ(told(service, "203.0.113.9:9"), std::set{at("203.0.113.5:7")});
  service.set_local_peers(kSwarm, {});
  EXPECT_TRUE(told(service, "203.0.113.9:9").empty());
}

TEST(TrackerService, gives_as_many_as_asked_up_to_200) {
  auto service = make_service();
  for (int i = 0; i < 400; ++i)
    told(service, "203.0." + std::to_string(i / 200) + '.' + std::to_string(i % 200 + 1) + ":1", {.num_want = 0});
  EXPECT_EQ(told(service, "203.0.113.1:1").size(), 50U);
  EXPECT_EQ(told(service, "203.0.113.1:1", {.num_want = 7}).size(), 7U);
  EXPECT_EQ(told(service, "203.0.113.1:1", {.num_want = 1'000'000}).size(), 200U);
  EXPECT_TRUE(told(service, "203.0.113.1:1", {.num_want = 0}).empty());
}

TEST(TrackerService, forgets_peers_after_two_and_a_half_intervals) {
  auto service = make_service();
  told(service, "203.0.113.1:1");
  ASSERT_TRUE(service.tick(kNow + service.policy().interval * 5 / 2, {}));
  EXPECT_EQ(service.stats().totals.peers, 1U);
  ASSERT_TRUE(service.tick(kNow + service.policy().interval * 5 / 2 + 1s, {}));
  EXPECT_EQ(service.stats().totals.peers, 0U);
}

TEST(TrackerService, who_has_no_port_is_told_peers_but_is_nobodys_peer) {
  auto service = make_service();
  told(service, "203.0.113.1:1");
  EXPECT_EQ(told(service, "203.0.113.2:0").size(), 1U);
  EXPECT_EQ(service.stats().totals.peers, 1U);
}

TEST(TrackerService, a_full_table_is_a_reason) {
  auto service = make_service({.max_peers = 1});
  told(service, "203.0.113.1:1");
  const auto answer = service.announce(from("203.0.113.2:2"), kNow);
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().find("full"), std::string::npos);
  EXPECT_EQ(service.stats().refused_by_size, 1U);
}

TEST(RateLimiter, allows_a_burst_then_its_rate) {
  RateLimiter limiter({.per_second = 2, .burst = 10});
  int allowed = 0;
  for (int i = 0; i < 100; ++i) allowed += limiter.allow(ip("203.0.113.1"), kNow) ? 1 : 0;
  EXPECT_EQ(allowed, 10);
  EXPECT_TRUE(limiter.allow(ip("203.0.113.2"), kNow)) << "another address";
  for (int i = 0; i < 100; ++i) allowed += limiter.allow(ip("203.0.113.1"), kNow + 3s) ? 1 : 0;
  EXPECT_EQ(allowed, 16);
  EXPECT_FALSE(limiter.allow(ip("203.0.113.1"), kNow)) << "time that runs backwards gives nothing";
}

TEST(RateLimiter, counts_ipv6_by_subscriber_and_keeps_a_bounded_table) {
  RateLimiter limiter({.per_second = 1, .burst = 1, .max_addresses = 100});
  EXPECT_TRUE(limiter.allow(ip("2001:db8::1"), kNow));
  EXPECT_FALSE(limiter.allow(ip("2001:db8::2"), kNow));
  EXPECT_TRUE(limiter.allow(ip("2001:db8:0:1::1"), kNow));
  for (std::uint32_t i = 0; i < 10'000; ++i)
    EXPECT_TRUE(limiter.allow(IpAddress::v4({11, 0, std::uint8_t(i >> 8), std::uint8_t(i)}), kNow));
  EXPECT_EQ(limiter.size(), 100U);
}

constexpr std::string_view kQuery =
    "info_hash=%01%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00&peer_id=-RN0001-abcdefghijkl&port=80";

TEST(HttpHandler, answers_announces_scrapes_stats_and_a_page) {
  auto service = make_service();
  HttpHandler handler(service, kNow);
  const auto source = ip("203.0.113.1");
  const auto announced = handler.handle("/announce?" + std::string{kQuery} + "&left=0&event=completed&numwant=9", source, kNow);
  EXPECT_EQ(announced.status, 200U);
  const auto answer = discovery::parse_announce_answer(base::as_bytes(announced.body), {});
  ASSERT_TRUE(answer) << announced.body;
  EXPECT_EQ(answer->interval, service.policy().interval);
  EXPECT_EQ(answer->min_interval, service.policy().min_interval);
  EXPECT_EQ(answer->external_address, source);
  EXPECT_EQ(answer->seeders, 1U);
  const auto scraped =
      discovery::parse_scrape_answer(base::as_bytes(handler.handle("/scrape?" + std::string{kQuery.substr(0, 70)}, source, kNow).body));
  ASSERT_TRUE(scraped) << message(scraped.error());
  EXPECT_EQ(scraped->at(0).info_hash, kSwarm);
  EXPECT_EQ(scraped->at(0).counts.completed, 1U);
  const auto stats = boost::json::parse(handler.handle("/stats", source, kNow + 7s).body);
  EXPECT_EQ(stats.at("peers").to_number<int>(), 1);
  EXPECT_EQ(stats.at("seeds").to_number<int>(), 1);
  EXPECT_EQ(stats.at("uptime_s").to_number<int>(), 7);
  EXPECT_NE(handler.handle("/", source, kNow).body.find("<h1>Runnel tracker</h1>"), std::string::npos);
  EXPECT_EQ(handler.handle("/etc/passwd", source, kNow).status, 404U);
}

TEST(HttpHandler, tells_what_is_wrong_with_a_request) {
  auto service = make_service();
  HttpHandler handler(service, kNow);
  const std::string good{kQuery};
  const std::pair<std::string, std::string> kCases[] = {
      {"", "info_hash is missing"},
      {"info_hash=abc&peer_id=x", "cannot read the field info_hash"},
      {"info_hash=%0&peer_id=x", "cannot read the field info_hash"},
      {good.substr(0, good.find("&peer_id")), "peer_id is missing"},
      {good + "&port=65536", "cannot read the field port"},
      {good + "&left=-1", "cannot read the field left"},
      {good + "&left=1x", "cannot read the field left"},
      {good + "&event=finished", "cannot read the field event"},
      {good + "&numwant=many", "cannot read the field numwant"},
  };
  for (const auto& [query, reason] : kCases) {
    const auto reply = handler.handle("/announce?" + query, ip("203.0.113.1"), kNow);
    EXPECT_EQ(reply.body, discovery::encode_failure(reason)) << query;
  }
  EXPECT_EQ(service.stats().totals.peers, 0U);
  EXPECT_NE(handler.handle("/scrape", ip("203.0.113.1"), kNow).body.find("does not list its swarms"), std::string::npos);
}

TEST(HttpHandler, an_address_that_asks_too_often_is_refused_with_429) {
  auto service = make_service({}, {.per_second = 1, .burst = 5});
  HttpHandler handler(service, kNow);
  int refused = 0;
  for (int i = 0; i < 20; ++i) refused += handler.handle("/announce?" + std::string{kQuery}, ip("203.0.113.1"), kNow).status == 429 ? 1 : 0;
  EXPECT_EQ(refused, 15);
  EXPECT_EQ(service.stats().refused_by_rate, 15U);
  EXPECT_EQ(handler.handle("/announce?" + std::string{kQuery}, ip("203.0.113.2"), kNow).status, 200U);
  EXPECT_EQ(handler.handle("/announce?" + std::string{kQuery}, ip("203.0.113.1"), kNow + 2s).status, 200U);
}

RC_GTEST_PROP(HttpHandler, answers_whatever_is_asked, (const std::string& noise)) {
  auto service = make_service();
  HttpHandler handler(service, kNow);
  for (const char* prefix : {"", "/announce?", "/scrape?", "/announce?info_hash=", "/announce?&=&"}) {
    RC_ASSERT(handler.handle(prefix + noise, ip("203.0.113.1"), kNow).status >= 200U);
  }
}

class UdpHandlerTest : public testing::Test {
 protected:
  std::uint64_t connect(const Endpoint& from, Time now) {
    const auto answer = discovery::decode_udp_answer(*handler.handle(encode(discovery::UdpConnect{1}), from, now), true);
    return std::get<discovery::UdpConnected>(*answer).connection;
  }
  std::optional<discovery::UdpAnswer> announce(std::uint64_t id, const Endpoint& from, Time now, std::uint32_t num_want = 50) {
    discovery::UdpAnnounce request{.connection = id, .transaction = 2};
    request.parameters = {.info_hash = kSwarm, .port = from.port, .num_want = num_want};
    base::store_big_endian(request.parameters.peer_id.bytes.data(), static_cast<std::uint64_t>(std::hash<Endpoint>{}(from)));
    const auto bytes = handler.handle(encode(request), from, now);
    if (!bytes) return std::nullopt;
    largest = std::max(largest, bytes->size());
    return discovery::decode_udp_answer(*bytes, from.address.is_v4());
  }
  TrackerService service = make_service({}, {.per_second = 1, .burst = 400});
  UdpHandler handler{service, base::as_bytes("secret")};
  std::size_t largest = 0;
};

TEST_F(UdpHandlerTest, an_id_opens_for_its_own_address_for_one_to_two_minutes) {
  const Endpoint a = at("203.0.113.1:5"), b = at("203.0.113.2:5");
  const std::uint64_t id = connect(a, kNow);
  EXPECT_TRUE(std::holds_alternative<discovery::UdpAnnounced>(*announce(id, a, kNow)));
  EXPECT_TRUE(std::holds_alternative<discovery::UdpAnnounced>(*announce(id, a, kNow + 60s)));
  EXPECT_TRUE(std::holds_alternative<discovery::UdpError>(*announce(id, b, kNow)));
  EXPECT_TRUE(std::holds_alternative<discovery::UdpError>(*announce(id + 1, a, kNow)));
  EXPECT_TRUE(std::holds_alternative<discovery::UdpError>(*announce(id, a, kNow + 121s)));
  EXPECT_TRUE(std::holds_alternative<discovery::UdpAnnounced>(*announce(id, at("203.0.113.1:6"), kNow))) << "another port of the address";
}

TEST_F(UdpHandlerTest, keeps_nothing_and_sends_no_more_than_it_got_before_the_address_is_proved) {
  base::Rng rng(3);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const Endpoint from{IpAddress::v4({11, 0, std::uint8_t(i >> 8), std::uint8_t(i)}), 5};
    const Bytes connect_request = encode(discovery::UdpConnect{i});
    EXPECT_LE(handler.handle(connect_request, from, kNow)->size(), connect_request.size());
    discovery::UdpAnnounce announce_request{.connection = rng(), .transaction = i};
    const Bytes bytes = encode(announce_request);
    EXPECT_LE(handler.handle(bytes, from, kNow)->size(), bytes.size());
    const Bytes scrape = encode(discovery::UdpScrape{rng(), i, std::vector<InfoHash>(1)});
    EXPECT_LE(handler.handle(scrape, from, kNow)->size(), scrape.size());
  }
  EXPECT_EQ(service.stats().totals.peers, 0U);
  EXPECT_EQ(service.stats().announces, 0U);
}

TEST_F(UdpHandlerTest, answers_fit_one_packet_of_the_askers_family) {
  for (std::uint32_t i = 0; i < 300; ++i) {
    const Endpoint v4{IpAddress::v4({11, 0, std::uint8_t(i >> 8), std::uint8_t(i)}), 5};
    const Endpoint v6{IpAddress::v6({0x20, 1, 0xd, 0xb8, std::uint8_t(i >> 8), std::uint8_t(i), 1}), 5};
    announce(connect(v4, kNow), v4, kNow, 0);
    announce(connect(v6, kNow), v6, kNow, 0);
  }
  const Endpoint v4 = at("203.0.113.1:5"), v6 = at("[2001:db8:ffff::1]:5");
  const auto answer4 = std::get<discovery::UdpAnnounced>(*announce(connect(v4, kNow), v4, kNow, 100'000));
  EXPECT_EQ(answer4.peers.size(), 200U);
  EXPECT_TRUE(std::ranges::all_of(answer4.peers, [](const Endpoint& e) { return e.address.is_v4(); }));
  const auto answer6 = std::get<discovery::UdpAnnounced>(*announce(connect(v6, kNow), v6, kNow, 100'000));
  EXPECT_EQ(answer6.peers.size(), kMaxUdpPeersV6);
  EXPECT_TRUE(std::ranges::none_of(answer6.peers, [](const Endpoint& e) { return e.address.is_v4(); }));
  EXPECT_LE(largest, 1280U - 48U) << "an IPv6 packet that needs no path discovery";
  EXPECT_EQ(std::get<discovery::UdpAnnounced>(*announce(connect(v4, kNow), v4, kNow, 0xffff'ffff)).peers.size(), 50U) << "-1: the default";
}

TEST_F(UdpHandlerTest, an_address_that_asks_too_often_gets_no_answer) {
  const Endpoint from = at("203.0.113.1:5");
  const std::uint64_t id = connect(from, kNow);
  int answered = 0;
  for (int i = 0; i < 1000; ++i) answered += announce(id, from, kNow) ? 1 : 0;
  EXPECT_EQ(answered, 400);
}

TEST_F(UdpHandlerTest, scrapes_in_the_order_asked) {
  const Endpoint from = at("203.0.113.1:5");
  const std::uint64_t id = connect(from, kNow);
  announce(id, from, kNow);
  const auto answer =
      discovery::decode_udp_answer(*handler.handle(encode(discovery::UdpScrape{id, 9, {InfoHash{}, kSwarm}}), from, kNow), true);
  const auto counts = std::get<discovery::UdpScraped>(*answer).counts;
  ASSERT_EQ(counts.size(), 2U);
  EXPECT_EQ(counts[0].leechers, 0U);
  EXPECT_EQ(counts[1].leechers, 1U);
}

}  // namespace
}  // namespace runnel::tracker
