#include "core/swarm/waiting_line.hpp"

#include <gtest/gtest.h>

namespace runnel::swarm {
namespace {

using std::chrono::seconds;

constexpr base::Time kNow{seconds{100}};

TEST(WaitingLine, places_go_by_when_each_came) {
  WaitingLine line;
  EXPECT_EQ(line.refused(PeerKey{2}, kNow - seconds{5}, kNow), 1);
  EXPECT_EQ(line.refused(PeerKey{3}, kNow - seconds{2}, kNow), 2);
  EXPECT_EQ(line.refused(PeerKey{1}, kNow - seconds{9}, kNow), 1) << "it was here before them, though it asks after them";
  EXPECT_EQ(line.refused(PeerKey{3}, kNow - seconds{2}, kNow), 3);
  line.forget(PeerKey{1});
  EXPECT_EQ(line.refused(PeerKey{3}, kNow - seconds{2}, kNow), 2);
}

TEST(WaitingLine, who_asks_no_more_waits_no_longer) {
  WaitingLine line;
  line.refused(PeerKey{1}, kNow - seconds{9}, kNow);
  EXPECT_EQ(line.refused(PeerKey{2}, kNow, kNow + WaitingLine::kPatience), 2);
  EXPECT_EQ(line.refused(PeerKey{2}, kNow, kNow + WaitingLine::kPatience + seconds{1}), 1);
}

TEST(WaitingLine, has_an_end) {
  WaitingLine line;
  for (std::uint32_t i = 0; i < 2 * WaitingLine::kMaxWaiting; ++i) line.refused(PeerKey{i}, kNow + base::Duration{i}, kNow);
  EXPECT_EQ(line.size(), WaitingLine::kMaxWaiting);
  EXPECT_EQ(line.refused(PeerKey{9999}, kNow + seconds{1}, kNow), WaitingLine::kMaxWaiting + 1);
}

TEST(Place, is_the_middle_of_what_was_told_lately) {
  Place place;
  EXPECT_EQ(place.now(kNow), std::nullopt);
  for (const std::uint16_t told : {9, 1, 4}) place.told(told, kNow);
  EXPECT_EQ(place.now(kNow), 4U);
  place.told(2, kNow + seconds{4});
  EXPECT_EQ(place.now(kNow + WaitingLine::kPatience + seconds{1}), 2U);
  EXPECT_EQ(place.now(kNow + 2 * WaitingLine::kPatience), std::nullopt);
  for (std::size_t i = 0; i < Place::kMaxTold; ++i) place.told(7, kNow + seconds{20});
  place.told(1, kNow + seconds{20});
  EXPECT_EQ(place.now(kNow + seconds{20}), 7U);
}

}  // namespace
}  // namespace runnel::swarm
