#include "core/discovery/address_book.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace runnel::discovery {
namespace {

using base::Endpoint;
using base::Time;
using namespace std::chrono_literals;

Endpoint at(std::string_view text) { return *Endpoint::parse(text); }
Endpoint numbered(std::uint32_t n, std::uint16_t port = 80) {
  return {base::IpAddress::v4({11, std::uint8_t(n >> 16), std::uint8_t(n >> 8), std::uint8_t(n)}), port};
}
const Time kNow{1000s};

TEST(BanList, two_bad_hashes_within_a_minute_ban_the_endpoint) {
  BanList bans;
  const Endpoint peer = at("203.0.113.1:80");
  EXPECT_FALSE(bans.report_bad_hash(peer, kNow));
  EXPECT_FALSE(bans.banned(peer, kNow));
  EXPECT_TRUE(bans.report_bad_hash(peer, kNow + 60s));
  EXPECT_TRUE(bans.banned(peer, kNow + 60s));
  EXPECT_FALSE(bans.banned(at("203.0.113.1:81"), kNow + 60s)) << "a neighbour behind the same NAT";
  EXPECT_FALSE(bans.report_bad_hash(peer, kNow + 61s)) << "banned already";
  EXPECT_FALSE(bans.banned(peer, kNow + 60s + kBanLife));
}

TEST(AddressBook, who_is_near_is_called_first) {
  AddressBook book{base::Rng{1}};
  for (const auto far : {"203.0.113.1:80", "198.51.100.1:80", "[2001:db8:1::1]:80", "[2001:db8:2::1]:80"})
    book.add(at(far), AddressSource::tracker, kNow);
  book.add(at("192.168.1.7:80"), AddressSource::pex, kNow);
  EXPECT_EQ(book.candidates(1, kNow), std::vector{at("192.168.1.7:80")}) << "on the same LAN, whoever told of it";
  book.set_own({at("203.0.113.99:1234"), at("[2001:db8:2::99]:1234")});
  auto first = book.candidates(3, kNow);
  std::ranges::sort(first);
  EXPECT_EQ(first, (std::vector{at("192.168.1.7:80"), at("203.0.113.1:80"), at("[2001:db8:2::1]:80")}));
}

TEST(BanList, bad_hashes_further_apart_are_an_accident) {
  BanList bans;
  const Endpoint peer = at("203.0.113.1:80");
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(bans.report_bad_hash(peer, kNow + i * 61s));
}

TEST(BanList, three_banned_ports_ban_the_address_except_where_it_stands_for_many) {
  for (const auto& [address, whole] : {std::pair{"203.0.113.1", true},
                                       {"2001:db8::1", true},
                                       {"127.0.0.1", false},
                                       {"192.168.1.1", false},
                                       {"::1", false},
                                       {"fd00::1", false}}) {
    BanList bans;
    const auto ip = *base::IpAddress::parse(address);
    for (std::uint16_t port = 1; port <= 3; ++port) {
      EXPECT_FALSE(bans.banned({ip, 99}, kNow));
      bans.ban({ip, port}, kNow);
    }
    EXPECT_EQ(bans.banned({ip, 99}, kNow), whole) << address;
    EXPECT_TRUE(bans.banned({ip, 1}, kNow)) << address;
  }
}

TEST(BanList, its_tables_are_bounded_and_the_oldest_go_first) {
  BanList bans;
  for (std::uint32_t i = 0; i < kMaxSuspects + 100; ++i) bans.report_bad_hash(numbered(i), kNow + i * 1us);
  EXPECT_EQ(bans.suspects(), kMaxSuspects);
  for (std::uint32_t i = 0; i < kMaxBans + 10; ++i) bans.ban(numbered(i), kNow + i * 1us);
  EXPECT_EQ(bans.size(), kMaxBans);
  EXPECT_FALSE(bans.banned(numbered(0), kNow + 1s));
  EXPECT_TRUE(bans.banned(numbered(kMaxBans + 9), kNow + 1s));
}

TEST(BanList, so_many_whole_addresses_are_banned_and_the_oldest_go_first) {
  BanList bans;
  constexpr std::uint32_t kMost = kMaxBans / kPortsToBanAddress;
  for (std::uint32_t i = 0; i <= kMost; ++i) {
    for (std::uint16_t port = 1; port <= kPortsToBanAddress; ++port) bans.ban(numbered(i, port), kNow + i * 1us);
  }
  EXPECT_FALSE(bans.banned(numbered(0, 99), kNow + 1s));
  for (std::uint32_t i = 1; i <= kMost; ++i) EXPECT_TRUE(bans.banned(numbered(i, 99), kNow + 1s)) << i;
}

TEST(AddressBook, takes_usable_strangers_only) {
  AddressBook book(base::Rng{1});
  book.set_own({at("203.0.113.9:80")});
  EXPECT_EQ(book.add(at("203.0.113.1:80"), AddressSource::pex, kNow), AddOutcome::added);
  EXPECT_EQ(book.add(at("203.0.113.1:80"), AddressSource::tracker, kNow), AddOutcome::known);
  EXPECT_EQ(book.add(at("203.0.113.9:80"), AddressSource::tracker, kNow), AddOutcome::ourselves);
  EXPECT_EQ(book.add(at("203.0.113.1:0"), AddressSource::tracker, kNow), AddOutcome::unusable);
  EXPECT_EQ(book.add(at("224.0.0.1:80"), AddressSource::tracker, kNow), AddOutcome::unusable);
  EXPECT_EQ(book.size(), 1U);
}

TEST(AddressBook, dials_what_is_believed_most_and_failed_least_first) {
  AddressBook book(base::Rng{1});
  book.add(numbered(1), AddressSource::dht, kNow);
  book.add(numbered(2), AddressSource::link, kNow);
  book.add(numbered(3), AddressSource::tracker, kNow);
  EXPECT_EQ(book.candidates(2, kNow), (std::vector{numbered(2), numbered(3)}));
  book.tried(numbered(2), kNow);
  book.failed(numbered(2), kNow);
  EXPECT_EQ(book.candidates(9, kNow), (std::vector{numbered(3), numbered(1)}));
  EXPECT_FALSE(book.is_candidate(numbered(2), kNow));
  EXPECT_TRUE(book.is_candidate(numbered(2), kNow + 10min));
  EXPECT_FALSE(book.is_candidate(numbered(4), kNow)) << "not known";
  EXPECT_EQ(book.candidates(9, kNow + 10min), (std::vector{numbered(3), numbered(1), numbered(2)}));
  book.connected(numbered(3), kNow);
  EXPECT_EQ(book.candidates(1, kNow), std::vector{numbered(1)});
}

TEST(AddressBook, waits_longer_after_each_failure_and_forgets_after_five_unless_a_person_named_it) {
  AddressBook book(base::Rng{1});
  book.add(numbered(1), AddressSource::tracker, kNow);
  book.add(numbered(2), AddressSource::user, kNow);
  Time now = kNow;
  base::Duration last{};
  for (unsigned i = 0; i < kMaxDialFailures; ++i) {
    ASSERT_EQ(book.candidates(9, now).size(), 2U) << i;
    for (const auto& e : {numbered(1), numbered(2)}) book.tried(e, now), book.failed(e, now);
    if (i + 1 == kMaxDialFailures) break;
    const base::Duration pause = *book.next_candidate_at() - now;
    EXPECT_GT(pause, last);
    last = pause;
    now = *book.next_candidate_at();
  }
  EXPECT_FALSE(book.contains(numbered(1)));
  EXPECT_TRUE(book.contains(numbered(2)));
  EXPECT_EQ(book.candidates(9, now + kRedialMax), std::vector{numbered(2)});
}

TEST(AddressBook, is_bounded_and_keeps_the_better_half) {
  AddressBook book(base::Rng{1});
  book.add(numbered(1), AddressSource::link, kNow);
  for (std::uint32_t i = 2; i < kMaxAddresses + 500; ++i) book.add(numbered(i), AddressSource::dht, kNow + i * 1us);
  EXPECT_EQ(book.size(), kMaxAddresses);
  EXPECT_TRUE(book.contains(numbered(1)));
  EXPECT_EQ(book.add(numbered(900'000), AddressSource::tracker, kNow), AddOutcome::added) << "worth more than what the DHT told";
  EXPECT_EQ(book.size(), kMaxAddresses);
  AddressBook trusted(base::Rng{1});
  for (std::uint32_t i = 0; i < kMaxAddresses; ++i) trusted.add(numbered(i), AddressSource::tracker, kNow);
  EXPECT_EQ(trusted.add(numbered(900'000), AddressSource::dht, kNow), AddOutcome::full);
}

TEST(AddressBook, no_address_fills_it_alone) {
  AddressBook book(base::Rng{1});
  std::size_t added = 0;
  for (std::uint16_t port = 1; port < 100; ++port)
    added += book.add(numbered(1, port), AddressSource::pex, kNow) == AddOutcome::added ? 1 : 0;
  EXPECT_EQ(added, kMaxAddressesPerHost);
  for (std::uint16_t port = 1; port < 100; ++port)
    EXPECT_EQ(book.add({*base::IpAddress::parse("127.0.0.1"), port}, AddressSource::tracker, kNow), AddOutcome::added);
}

TEST(AddressBook, forgets_and_refuses_whom_it_banned) {
  AddressBook book(base::Rng{1});
  book.connected(numbered(1, 80), kNow);
  book.add(numbered(1, 81), AddressSource::pex, kNow);
  EXPECT_FALSE(book.report_bad_hash(numbered(1, 80), kNow));
  EXPECT_TRUE(book.report_bad_hash(numbered(1, 80), kNow));
  EXPECT_TRUE(book.banned(numbered(1, 80), kNow));
  EXPECT_EQ(book.add(numbered(1, 80), AddressSource::user, kNow), AddOutcome::banned);
  EXPECT_EQ(book.candidates(9, kNow), std::vector{numbered(1, 81)});
  for (const std::uint16_t port : {82, 83}) book.report_bad_hash(numbered(1, port), kNow), book.report_bad_hash(numbered(1, port), kNow);
  EXPECT_FALSE(book.contains(numbered(1, 81))) << "the whole address, after three ports";
}

TEST(AddressBook, tells_of_peers_it_heard_not_of_those_it_was_told_of) {
  AddressBook book(base::Rng{1});
  book.connected(numbered(1), kNow);
  book.add(numbered(2), AddressSource::tracker, kNow);
  book.connected(numbered(3), kNow);
  EXPECT_EQ(book.tell(numbered(3), kNow + 30s), std::vector{numbered(1)});
  EXPECT_TRUE(book.tell(numbered(3), kNow + 61s).empty());
  book.heard(numbered(1), kNow + 61s);
  EXPECT_EQ(book.tell(numbered(3), kNow + 61s), std::vector{numbered(1)});
}

}  // namespace
}  // namespace runnel::discovery
