#include "core/swarm/old_holes.hpp"

#include <gtest/gtest.h>

namespace runnel::swarm {
namespace {

constexpr base::Time kNow{std::chrono::seconds{1000}};

TEST(OldHoles, are_looked_for_at_a_pace) {
  OldHoles holes;
  EXPECT_TRUE(holes.due(kNow));
  EXPECT_FALSE(holes.due(kNow + OldHoles::kEach / 2));
  EXPECT_TRUE(holes.due(kNow + OldHoles::kEach));
}

TEST(OldHoles, the_source_is_asked_seldom_as_long_as_others_show_them) {
  OldHoles holes;
  int asked = 0;
  int looks = 0;
  for (base::Time now = kNow; now < kNow + 3 * OldHoles::kSourceEach; now += OldHoles::kEach) {
    if (!holes.due(now)) continue;
    ++looks;
    asked += holes.may_ask_source(false, now);
  }
  EXPECT_EQ(asked, 3) << "others may never have time";
  EXPECT_LE(looks, 3 * OldHoles::kSourceEach / OldHoles::kSpared + 3);
}

TEST(OldHoles, what_nobody_else_shows_comes_from_the_source) {
  OldHoles holes;
  for (base::Time now = kNow; now < kNow + OldHoles::kSourceEach; now += OldHoles::kEach) {
    ASSERT_TRUE(holes.due(now));
    ASSERT_TRUE(holes.may_ask_source(true, now));
  }
}

}  // namespace
}  // namespace runnel::swarm
