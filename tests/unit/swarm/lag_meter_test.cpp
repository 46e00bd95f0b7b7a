#include "core/swarm/lag_meter.hpp"

#include <gtest/gtest.h>

namespace runnel::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(LagMeter, tells_what_is_later_than_almost_all_that_came) {
  LagMeter lag;
  for (int i = 0; i < 200; ++i) lag.arrived(1, milliseconds{i % 2 == 0 ? 40 : 80});
  EXPECT_NEAR(static_cast<double>(lag.mean(1).count()), 60'000, 5'000);
  EXPECT_NEAR(static_cast<double>(lag.deviation(1).count()), 20'000, 5'000);
  EXPECT_FALSE(lag.overdue(1, milliseconds{140}));
  EXPECT_TRUE(lag.overdue(1, milliseconds{220}));
  EXPECT_FALSE(lag.overdue(5, milliseconds{220})) << "nothing ever came by that tree";
  EXPECT_TRUE(lag.overdue(5, milliseconds{260}));
}

TEST(LagMeter, remembers_what_comes_late_now_and_then) {
  LagMeter lag;
  for (int i = 0; i < 150; ++i) lag.arrived(0, milliseconds{i % 15 == 0 ? 200 : 10});
  EXPECT_FALSE(lag.overdue(0, milliseconds{150}));
}

TEST(LagMeter, after_a_moment_of_disorder_twice_the_mean_is_late_all_the_same) {
  LagMeter lag;
  for (int i = 0; i < 40; ++i) lag.arrived(0, milliseconds{i % 2 == 0 ? 100 : 2000});
  for (int i = 0; i < 30; ++i) lag.arrived(0, milliseconds{100});
  EXPECT_GT(lag.mean(0) + 4 * lag.deviation(0), seconds{1});
  EXPECT_FALSE(lag.overdue(0, milliseconds{300}));
  EXPECT_TRUE(lag.overdue(0, milliseconds{600}));
  for (int i = 0; i < 60; ++i) lag.arrived(0, milliseconds{900});
  EXPECT_FALSE(lag.overdue(0, milliseconds{1700})) << "where all is late, what is on its way must not be asked for";
}

TEST(StreamRate, is_what_the_bundles_name_over_their_time) {
  StreamRate rate{1000};
  base::Time now{seconds{100}};
  for (std::uint64_t i = 1; i <= 60; ++i, now += base::Duration{17'000'000 / 256}) rate.munro(i, 20, now);
  EXPECT_NEAR(rate.bytes_per_second(), 20'000 / (17 / 256.0), 5'000);
  EXPECT_NEAR(static_cast<double>(rate.spacing().count()), 16e6 * 1000 / (20'000 / (17 / 256.0)), 2'000);
}

TEST(StreamRate, is_what_somebody_shows_of_some_seconds_until_it_is_known) {
  constexpr std::uint64_t kMunrosPerSecond = 8192 / 32;
  MunroMap map;
  for (std::uint64_t i = 0; i < 30; ++i) map.entries.push_back({1'000 + i * kMunrosPerSecond / 15, false, 0xfffff});
  StreamRate rate{1000};
  rate.hearsay({});
  rate.hearsay({{map.entries.begin(), map.entries.begin() + 5}});
  EXPECT_EQ(rate.bytes_per_second(), 0) << "too little to tell";
  MunroMap whole = map;
  whole.entries[7] = {whole.entries[7].munro, true, 0};
  rate.hearsay(whole);
  EXPECT_EQ(rate.bytes_per_second(), 0) << "nobody knows how many chunks that is";
  rate.hearsay(map);
  EXPECT_NEAR(rate.bytes_per_second(), 15 * 20'000, 15'000);
  base::Time now{seconds{100}};
  for (std::uint64_t i = 1; i <= 60; ++i, now += base::Duration{17'000'000 / 256}) rate.munro(i, 10, now);
  EXPECT_NEAR(rate.bytes_per_second(), 10'000 / (17 / 256.0), 5'000);
  rate.hearsay(map);
  EXPECT_LT(rate.bytes_per_second(), 200'000) << "what is known is not overruled";
}

TEST(StreamRate, keeps_no_more_than_its_span_and_so_many_munros) {
  StreamRate rate{1000};
  base::Time now{seconds{100}};
  for (std::uint64_t i = 1; i < 4 * StreamRate::kMaxMunros; ++i, now += base::Duration{1'000'000 / 256}) rate.munro(i, 32, now);
  const double before = rate.bytes_per_second();
  rate.munro(1, 32, now);   // long ago
  EXPECT_EQ(rate.bytes_per_second(), before);
  EXPECT_NEAR(before, 256 * 32'000, 100'000);
}

}  // namespace
}  // namespace runnel::swarm
