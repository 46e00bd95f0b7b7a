#include "core/discovery/membership.hpp"

#include <gtest/gtest.h>

namespace runnel::discovery {
namespace {

using base::Endpoint;

const base::Bytes kSwarm{std::byte{0x0d}, std::byte{0xAB}};

// RFC 7574 8.13.
TEST(Membership, names_a_peer_of_a_swarm_and_gives_it_back) {
  for (const auto& [place, uri] :
       {std::pair{"203.0.113.7:6778", "file://203.0.113.7:6778/0dab"}, std::pair{"[2001:db8::7]:1", "file://[2001:db8::7]:1/0dab"}}) {
    const Endpoint peer = *Endpoint::parse(place);
    EXPECT_EQ(membership_uri(peer, kSwarm), uri);
    EXPECT_EQ(peer_of_membership(uri, kSwarm), peer);
  }
  EXPECT_TRUE(peer_of_membership("file://203.0.113.7:6778/0DAB", kSwarm));
}

TEST(Membership, names_nobody_when_it_is_not_exactly_that) {
  for (const char* uri :
       {"", "file://", "file:///0dab", "http://203.0.113.7:6778/0dab", "203.0.113.7:6778/0dab", "file://203.0.113.7/0dab",
        "file://203.0.113.7:0/0dab", "file://203.0.113.7:65536/0dab", "file://host.example:6778/0dab", "file://user@203.0.113.7:6778/0dab",
        "file://2001:db8::7:1/0dab", "file://203.0.113.7:6778", "file://203.0.113.7:6778/", "file://203.0.113.7:6778/0dab/",
        "file://203.0.113.7:6778//0dab", "file://203.0.113.7:6778/0dab?x", "file://203.0.113.7:6778/0da", "file://203.0.113.7:6778/xxxx"})
    EXPECT_FALSE(peer_of_membership(uri, kSwarm)) << uri;
}

TEST(Membership, of_another_swarm_names_nobody_here) {
  EXPECT_FALSE(peer_of_membership("file://203.0.113.7:6778/0dac", kSwarm));
  EXPECT_FALSE(peer_of_membership("file://203.0.113.7:6778/0dabab", kSwarm));
}

TEST(Membership, names_no_place_where_nobody_can_be) {
  for (const char* uri : {"file://224.0.0.1:6778/0dab", "file://0.0.0.0:6778/0dab", "file://255.255.255.255:6778/0dab",
                          "file://[ff02::1]:6778/0dab", "file://[::]:6778/0dab"})
    EXPECT_FALSE(peer_of_membership(uri, kSwarm)) << uri;
}

}  // namespace
}  // namespace runnel::discovery
