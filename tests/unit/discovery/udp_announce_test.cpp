#include "core/discovery/udp_announce.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace runnel::discovery {
namespace {

using base::Endpoint;

TEST(UdpAnnounce, connect_packets_are_those_of_bep_15) {
  EXPECT_EQ(base::to_hex(encode(UdpConnect{0x01020304})),
            "0000041727101980"
            "00000000"
            "01020304");
  EXPECT_EQ(base::to_hex(encode(UdpConnected{0x01020304, 0xa1a2a3a4a5a6a7a8})),
            "00000000"
            "01020304"
            "a1a2a3a4a5a6a7a8");
}

TEST(UdpAnnounce, announce_request_has_its_98_bytes_in_the_order_of_bep_15) {
  UdpAnnounce request{.connection = 0xc1, .transaction = 0xd2};
  request.parameters = {.info_hash = *InfoHash::from(base::as_bytes("iiiiiiiiiiiiiiiiiiii")),
                        .peer_id = *PeerId::from(base::as_bytes("pppppppppppppppppppp")),
                        .port = 0x1a2b,
                        .stats = {.uploaded = 3, .downloaded = 1, .left = 2},
                        .event = AnnounceEvent::started,
                        .num_want = 50,
                        .key = 0xe3,
                        .ipv4 = base::IpAddress::v4({192, 0, 2, 1})};
  const base::Bytes bytes = encode(request);
  ASSERT_EQ(bytes.size(), kUdpAnnounceSize);
  EXPECT_EQ(base::to_hex(bytes).substr(0, 32),
            "00000000000000c1"
            "00000001"
            "000000d2");
  EXPECT_EQ(base::as_text(bytes).substr(16, 40), "iiiiiiiiiiiiiiiiiiiipppppppppppppppppppp");
  EXPECT_EQ(base::to_hex(base::ByteView{bytes}.subspan(56)),
            "0000000000000001"
            "0000000000000002"
            "0000000000000003"
            "00000002"
            "c0000201"
            "000000e3"
            "00000032"
            "1a2b");
  request.path = "/announce";
  EXPECT_EQ(base::to_hex(base::ByteView{encode(request)}.subspan(98)),
            "0209"
            "2f616e6e6f756e6365");  // BEP 41
}

TEST(UdpAnnounce, minus_one_asks_for_the_trackers_default) {
  UdpAnnounce request;
  request.parameters.num_want = 0xffff'ffff;
  const auto back = decode_udp_request(encode(request));
  EXPECT_EQ(std::get<UdpAnnounce>(*back).parameters.num_want, 0xffff'ffffU);
}

TEST(UdpAnnounce, long_paths_go_in_several_options_and_unknown_ones_are_passed_over) {
  UdpAnnounce request{.path = '/' + std::string(600, 'x')};
  const auto back = decode_udp_request(encode(request));
  ASSERT_TRUE(back);
  EXPECT_EQ(std::get<UdpAnnounce>(*back).path, request.path);
  base::Bytes bytes = encode(UdpAnnounce{});
  constexpr int kOptions[] = {1, 0x77, 2, 5, 6, 2, 1, 'a', 0, 2, 1, 'b'};
  for (const int b : kOptions) bytes.push_back(std::byte(b));
  EXPECT_EQ(std::get<UdpAnnounce>(*decode_udp_request(bytes)).path, "a");
  request.path = std::string(5000, 'y');
  EXPECT_LE(encode(request).size(), kMaxUdpTrackerDatagram);
}

TEST(UdpAnnounce, answers_carry_the_peers_of_one_family) {
  UdpAnnounced answer{.transaction = 7,
                      .interval_s = 120,
                      .leechers = 2,
                      .seeders = 1,
                      .peers = {*Endpoint::parse("192.0.2.1:80"), *Endpoint::parse("[2001:db8::1]:81")}};
  EXPECT_EQ(base::to_hex(encode(answer, true)),
            "00000001"
            "00000007"
            "00000078"
            "00000002"
            "00000001"
            "c0000201"
            "0050");
  const auto back = decode_udp_answer(encode(answer, false), false);
  ASSERT_TRUE(back);
  EXPECT_EQ(std::get<UdpAnnounced>(*back).peers, std::vector{*Endpoint::parse("[2001:db8::1]:81")});
}

TEST(UdpAnnounce, scrapes_and_errors_come_back) {
  const auto request = decode_udp_request(encode(UdpScrape{1, 2, std::vector<InfoHash>(3)}));
  ASSERT_TRUE(request);
  EXPECT_EQ(std::get<UdpScrape>(*request).info_hashes.size(), 3U);
  const auto answer = decode_udp_answer(encode(UdpScraped{.transaction = 2, .counts = {{1, 2, 3}, {4, 5, 6}}}), true);
  ASSERT_TRUE(answer);
  EXPECT_EQ(std::get<UdpScraped>(*answer).counts.at(1).leechers, 6U);
  const auto error = decode_udp_answer(encode(UdpError{9, "a\nb"}), true);
  ASSERT_TRUE(error);
  EXPECT_EQ(std::get<UdpError>(*error).reason, "a?b");
  EXPECT_EQ(transaction_of(*error), 9U);
}

TEST(UdpAnnounce, scrapes_are_read_up_to_their_limit) {
  base::Bytes bytes = encode(UdpScrape{1, 2, std::vector<InfoHash>(kMaxScrapeHashes)});
  bytes.resize(bytes.size() + 10 * kIdSize);
  EXPECT_EQ(std::get<UdpScrape>(*decode_udp_request(bytes)).info_hashes.size(), kMaxScrapeHashes);
}

RC_GTEST_PROP(UdpAnnounce, requests_come_back_as_they_were_written, ()) {
  UdpAnnounce request{.connection = *rc::gen::arbitrary<std::uint64_t>(), .transaction = *rc::gen::arbitrary<std::uint32_t>()};
  AnnounceParameters& p = request.parameters;
  p.port = *rc::gen::arbitrary<std::uint16_t>();
  p.stats = {*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint64_t>()};
  p.event = static_cast<AnnounceEvent>(*rc::gen::inRange(0, 4));
  p.num_want = *rc::gen::inRange<std::uint32_t>(0, 0x7fff'ffff);
  p.key = *rc::gen::arbitrary<std::uint32_t>();
  if (*rc::gen::arbitrary<bool>()) p.ipv4 = base::IpAddress::v4({11, 2, 3, *rc::gen::arbitrary<std::uint8_t>()});
  const auto back = decode_udp_request(encode(request));
  RC_ASSERT(back.has_value());
  const auto& r = std::get<UdpAnnounce>(*back);
  RC_ASSERT(encode(r) == encode(request));
  RC_ASSERT(r.parameters.stats.left == p.stats.left);
  RC_ASSERT(r.parameters.event == p.event);
  RC_ASSERT(r.parameters.ipv4 == p.ipv4);
}

RC_GTEST_PROP(UdpAnnounce, any_bytes_are_read_without_harm, (const std::vector<std::uint8_t>& noise, bool v4)) {
  base::Bytes bytes;
  for (const std::uint8_t b : noise) bytes.push_back(std::byte{b});
  if (const auto request = decode_udp_request(bytes)) {
    RC_ASSERT(bytes.size() >= 16U);
  }
  if (const auto answer = decode_udp_answer(bytes, v4)) RC_ASSERT(bytes.size() >= 8U);
}

TEST(UdpAnnounce, cut_packets_are_not_read) {
  const base::Bytes connect = encode(UdpConnect{1}), announce = encode(UdpAnnounce{}), connected = encode(UdpConnected{1, 2});
  const base::Bytes scrape = encode(UdpScrape{1, 2, std::vector<InfoHash>(1)}), announced = encode(UdpAnnounced{}, true);
  for (const base::Bytes* packet : {&connect, &announce, &scrape}) {
    for (std::size_t size = 0; size < packet->size(); ++size) EXPECT_FALSE(decode_udp_request(base::ByteView{*packet}.first(size)));
  }
  for (const base::Bytes* packet : {&connected, &announced}) {
    for (std::size_t size = 0; size < packet->size(); ++size) EXPECT_FALSE(decode_udp_answer(base::ByteView{*packet}.first(size), true));
  }
  base::Bytes stranger = encode(UdpConnect{1});
  stranger[0] = std::byte{1};
  EXPECT_FALSE(decode_udp_request(stranger)) << "not the protocol's id";
}

}  // namespace
}  // namespace runnel::discovery
