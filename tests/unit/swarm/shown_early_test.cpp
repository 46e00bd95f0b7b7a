#include "core/swarm/shown_early.hpp"

#include <gmock/gmock.h>

namespace runnel::swarm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ShownEarly, tells_once_who_showed_a_munro) {
  ShownEarly early;
  early.add(7, PeerKey{1});
  early.add(7, PeerKey{2});
  early.add(8, PeerKey{3});
  EXPECT_THAT(early.take(7), ElementsAre(PeerKey{1}, PeerKey{2}));
  EXPECT_THAT(early.take(7), IsEmpty());
  EXPECT_THAT(early.take(8), ElementsAre(PeerKey{3}));
}

TEST(ShownEarly, keeps_so_many_munros_those_first_that_come_first_and_so_many_peers_of_each) {
  ShownEarly early;
  for (std::uint64_t munro = 0; munro < 2 * ShownEarly::kMaxMunros; ++munro) early.add(1'000'000 + munro, PeerKey{1});
  EXPECT_EQ(early.size(), ShownEarly::kMaxMunros);
  early.add(10, PeerKey{2});
  EXPECT_EQ(early.size(), ShownEarly::kMaxMunros);
  EXPECT_THAT(early.take(10), ElementsAre(PeerKey{2})) << "what was claimed of the future makes room";
  for (std::uint32_t peer = 0; peer <= ShownEarly::kMaxPeers; ++peer) early.add(1'000, PeerKey{peer});
  EXPECT_EQ(early.take(1'000).size(), ShownEarly::kMaxPeers);
}

TEST(ShownEarly, whose_bundle_never_came_is_forgotten) {
  ShownEarly early;
  early.add(10, PeerKey{1});
  EXPECT_THAT(early.take(10 + ShownEarly::kLongest + 1), IsEmpty());
  EXPECT_EQ(early.size(), 0U);
}

}  // namespace
}  // namespace runnel::swarm
