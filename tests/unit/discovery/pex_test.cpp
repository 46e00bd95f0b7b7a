#include "core/discovery/pex.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace runnel::discovery {
namespace {

using base::Endpoint;
using base::IpAddress;
using base::Time;
using namespace std::chrono_literals;

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }
Endpoint at(std::string_view text) { return *Endpoint::parse(text); }

// RFC 7574 8.13.
TEST(Pex, private_addresses_go_only_to_askers_in_such_ranges) {
  for (const char* subject : {"10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "fd00::1", "fe80::1"}) {
    EXPECT_TRUE(may_tell(ip(subject), ip("192.168.7.7"))) << subject;
    EXPECT_TRUE(may_tell(ip(subject), ip("fd00::2"))) << subject;
    EXPECT_TRUE(may_tell(ip(subject), ip("127.0.0.1"))) << subject;
    EXPECT_FALSE(may_tell(ip(subject), ip("203.0.113.1"))) << subject;
    EXPECT_FALSE(may_tell(ip(subject), ip("2001:db8::1"))) << subject;
  }
}

TEST(Pex, loopback_addresses_go_only_to_loopback_and_multicast_ones_nowhere) {
  for (const char* subject : {"127.0.0.1", "::1"}) {
    EXPECT_TRUE(may_tell(ip(subject), ip("127.0.0.1")));
    EXPECT_FALSE(may_tell(ip(subject), ip("192.168.1.1")));
    EXPECT_FALSE(may_tell(ip(subject), ip("203.0.113.1")));
  }
  for (const char* subject : {"224.0.0.1", "ff02::1", "0.0.0.0", "255.255.255.255"}) {
    EXPECT_FALSE(may_tell(ip(subject), ip("127.0.0.1"))) << subject;
    EXPECT_FALSE(may_believe(ip(subject), ip("127.0.0.1"))) << subject;
  }
  EXPECT_TRUE(may_tell(ip("203.0.113.1"), ip("203.0.113.2")));
}

TEST(Pex, a_stranger_cannot_point_us_at_the_machines_beside_us) {
  EXPECT_FALSE(may_believe(ip("192.168.1.1"), ip("203.0.113.1")));
  EXPECT_FALSE(may_believe(ip("127.0.0.1"), ip("192.168.1.1")));
  EXPECT_TRUE(may_believe(ip("192.168.1.2"), ip("192.168.1.1")));
  EXPECT_TRUE(may_believe(ip("203.0.113.9"), ip("203.0.113.1")));
}

TEST(Pex, the_plain_form_stays_at_home_except_in_compat_swarms) {
  EXPECT_TRUE(plain_pex_allowed(ip("192.168.1.1"), false));
  EXPECT_TRUE(plain_pex_allowed(ip("::1"), false));
  EXPECT_FALSE(plain_pex_allowed(ip("203.0.113.1"), false));
  EXPECT_TRUE(plain_pex_allowed(ip("203.0.113.1"), true));
}

// RFC 7574 3.10.1: heard from within 60 s.
TEST(Pex, tells_only_of_peers_heard_from_within_a_minute_and_never_of_the_asker) {
  base::Rng rng(1);
  const Time now{1000s};
  const std::vector<PexPeer> known{{at("203.0.113.1:1"), now - 60s},
                                   {at("203.0.113.2:1"), now - 61s},
                                   {at("203.0.113.3:1"), now},
                                   {at("192.168.1.1:1"), now},
                                   {at("203.0.113.4:0"), now}};
  auto told = choose_pex_peers(known, at("203.0.113.3:1"), now, rng);
  EXPECT_EQ(told, std::vector{at("203.0.113.1:1")});
}

TEST(Pex, an_answer_is_a_random_choice_within_its_limit) {
  base::Rng rng(2);
  const Time now{1000s};
  std::vector<PexPeer> known;
  for (std::uint16_t port = 1; port <= 200; ++port) known.push_back({{ip("203.0.113.1"), port}, now});
  std::set<Endpoint> ever;
  for (int i = 0; i < 100; ++i) {
    const auto told = choose_pex_peers(known, at("203.0.113.9:1"), now, rng);
    EXPECT_EQ(told.size(), kMaxPexPeers);
    ever.insert(told.begin(), told.end());
  }
  EXPECT_EQ(ever.size(), 200U);
}

}  // namespace
}  // namespace runnel::discovery
