#include "core/swarm/rate_meter.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace runnel::swarm {
namespace {

using base::Duration;
using base::Time;
using namespace std::chrono_literals;

const Time kNow{1000s};

TEST(RateMeter, starts_and_ends_at_nothing) {
  RateMeter meter;
  EXPECT_EQ(meter.per_second(kNow), 0U);
  meter.add(1'000'000, kNow);
  EXPECT_GT(meter.per_second(kNow), 0U);
  EXPECT_EQ(meter.per_second(kNow + 2s), 0U);
  EXPECT_EQ(meter.per_second(kNow + 1h), 0U);
  EXPECT_EQ(meter.total(), 1'000'000U) << "the total stays";
}

TEST(RateMeter, asking_changes_nothing) {
  RateMeter meter;
  meter.add(4'000, kNow);
  EXPECT_EQ(meter.per_second(kNow + 10s), 0U);
  EXPECT_EQ(meter.per_second(kNow), 2'000U) << "it was asked about the future meanwhile";
}

TEST(RateMeter, shows_a_steady_rate_within_an_eighth) {
  RateMeter meter;
  for (Duration at = 0ms; at < 10s; at += 10ms) {
    meter.add(10'000, kNow + at);
    if (at < 2s) continue;
    EXPECT_LE(meter.per_second(kNow + at), 1'000'000U);
    EXPECT_GE(meter.per_second(kNow + at), 875'000U);
  }
}

TEST(RateMeter, after_a_long_pause_only_what_is_new_counts) {
  for (const Duration pause : {2s, 3s, 60s, 86'400s}) {
    RateMeter meter;
    for (Duration at = 0ms; at < 2s; at += 100ms) meter.add(1'000'000, kNow + at);
    meter.add(8'000, kNow + 2s + pause);
    EXPECT_EQ(meter.per_second(kNow + 2s + pause), 4'000U) << pause.count();
  }
}

// Its slots are a quarter of a second wide: of the window's edge, one slot's worth is open.
RC_GTEST_PROP(RateMeter, counts_the_last_two_seconds, ()) {
  struct Added {
    Time at;
    std::uint64_t bytes;
  };
  RateMeter meter;
  std::vector<Added> all;
  std::uint64_t total = 0;
  Time now = kNow;
  const auto steps = *rc::gen::container<std::vector<std::pair<int, std::uint64_t>>>(
      rc::gen::pair(rc::gen::inRange(0, 900'000), rc::gen::inRange<std::uint64_t>(0, 1'000'000)));
  for (const auto& [wait_us, bytes] : steps) {
    now += Duration{wait_us};
    meter.add(bytes, now);
    all.push_back({now, bytes});
    total += bytes;
    std::uint64_t surely = 0;
    std::uint64_t at_most = 0;
    for (const Added& added : all) {
      if (now - added.at < 1'750ms) surely += added.bytes;
      if (now - added.at < 2s) at_most += added.bytes;
    }
    const std::uint64_t rate = meter.per_second(now);
    RC_ASSERT(rate >= surely / 2);
    RC_ASSERT(rate <= at_most / 2);
    RC_ASSERT(meter.total() == total);
  }
}

}  // namespace
}  // namespace runnel::swarm
