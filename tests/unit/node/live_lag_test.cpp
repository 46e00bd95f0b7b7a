#include "node/live_lag.hpp"

#include <gtest/gtest.h>

namespace runnel::node {
namespace {

using base::WallTime;
using namespace std::chrono_literals;

const WallTime kNow{1'700'000'000s};

TEST(LiveLag, nothing_is_known_before_the_first_record) { EXPECT_FALSE(LiveLag{}.parts()); }

TEST(LiveLag, tells_the_source_from_the_swarm) {
  LiveLag lag;
  lag.record(kNow, kNow + 40ms, kNow + 240ms);
  ASSERT_TRUE(lag.parts());
  EXPECT_DOUBLE_EQ(lag.parts()->source_s, 0.04);
  EXPECT_DOUBLE_EQ(lag.parts()->swarm_s, 0.2);
}

TEST(LiveLag, follows_a_change_within_some_seconds_and_one_late_record_little) {
  LiveLag lag;
  for (int i = 0; i < 10; ++i) lag.record(kNow, kNow, kNow + 100ms);
  lag.record(kNow, kNow, kNow + 1s);
  EXPECT_LT(lag.parts()->swarm_s, 0.2);
  for (int i = 0; i < 60; ++i) lag.record(kNow, kNow, kNow + 500ms);
  EXPECT_NEAR(lag.parts()->swarm_s, 0.5, 0.02);
}

TEST(LiveLag, a_caster_whose_clock_is_ahead_of_ours_counts_as_no_delay) {
  LiveLag lag;
  lag.record(kNow, kNow + 40ms, kNow - 5s);
  EXPECT_DOUBLE_EQ(lag.parts()->swarm_s, 0);
}

}  // namespace
}  // namespace runnel::node
