#include "core/swarm/channel_table.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using test::range;
using wire::ChannelId;

crypto::SecretRng secrets(std::uint8_t seed) {
  crypto::SecretRng::Seed bytes{};
  bytes[0] = std::byte{seed};
  return crypto::SecretRng{bytes};
}

// Design decision 17: the first byte tells our datagrams from DTLS, STUN and the DHT.
TEST(ChannelTable, new_ids_are_all_different_and_never_look_like_another_protocol) {
  ChannelTable table{secrets(1)};
  std::set<ChannelId> ids;
  for (int i = 0; i < 10'000; ++i) {
    const ChannelId id = table.new_id();
    EXPECT_GE(id.value() >> 24, 0xc0U);
    EXPECT_NE(id, wire::kNoChannel);
    EXPECT_TRUE(ids.insert(id).second);
    table.add(id, {});
  }
}

// RFC 7574 8.3, 12.1: not to be guessed.
TEST(ChannelTable, ids_hang_on_the_secret_alone) {
  ChannelTable a{secrets(1)};
  ChannelTable same{secrets(1)};
  ChannelTable other{secrets(2)};
  const ChannelId id = a.new_id();
  EXPECT_EQ(id, same.new_id());
  EXPECT_NE(id, other.new_id());
}

TEST(ChannelTable, an_id_leads_to_its_channel_until_it_is_removed) {
  ChannelTable table{secrets(1)};
  std::array<std::byte, 3> places{};   // nobody looks behind the pointers
  auto* const swarm = static_cast<Swarm*>(static_cast<void*>(&places[0]));
  auto* const first = static_cast<Channel*>(static_cast<void*>(&places[1]));
  auto* const second = static_cast<Channel*>(static_cast<void*>(&places[2]));
  const ChannelId a = table.new_id();
  table.add(a, {swarm, first});
  const ChannelId b = table.new_id();
  table.add(b, {swarm, second});
  EXPECT_EQ(table.find(a).channel, first);
  EXPECT_EQ(table.find(b).channel, second);
  table.remove(a);
  EXPECT_EQ(table.find(a).swarm, nullptr);
  EXPECT_EQ(table.find(a).channel, nullptr);
  EXPECT_EQ(table.find(b).channel, second);
  EXPECT_EQ(table.find(wire::kNoChannel).swarm, nullptr);
}

TEST(LoadTable, each_load_is_taken_once) {
  LoadTable loads;
  const LoadId a = loads.add({SwarmHandle{1}, ChannelId{7}, range(0, 31)});
  const LoadId b = loads.add({SwarmHandle{1}, ChannelId{8}, range(32, 40)});
  EXPECT_NE(a, b);
  const auto load = loads.take(b);
  ASSERT_TRUE(load);
  EXPECT_EQ(load->channel, ChannelId{8});
  EXPECT_EQ(load->range, range(32, 40));
  EXPECT_FALSE(loads.take(b)) << "answered twice";
  EXPECT_TRUE(loads.take(a));
  EXPECT_FALSE(loads.take(LoadId{999})) << "never asked";
}

TEST(LoadTable, an_id_never_comes_back) {
  LoadTable loads;
  std::set<LoadId> ids;
  for (int i = 0; i < 1'000; ++i) {
    const LoadId id = loads.add({SwarmHandle{1}, ChannelId{7}, range(0, 0)});
    EXPECT_TRUE(ids.insert(id).second);
    EXPECT_TRUE(loads.take(id));
  }
}

}  // namespace
}  // namespace runnel::swarm
