#include "core/swarm/delay_histogram.hpp"

#include <gtest/gtest.h>

namespace {

using namespace runnel;
using swarm::DelayHistogram;
using namespace std::chrono_literals;

TEST(DelayHistogram, nothing_has_no_quantiles) {
  EXPECT_EQ(DelayHistogram{}.quantile(0.5), base::Duration{});
  EXPECT_EQ(DelayHistogram{}.total(), 0U);
}

TEST(DelayHistogram, quantiles_hold_to_a_twentieth) {
  DelayHistogram delays;
  for (int ms = 1; ms <= 1000; ++ms) delays.add(std::chrono::milliseconds{ms});
  EXPECT_EQ(delays.total(), 1000U);
  for (const double q : {0.1, 0.5, 0.95, 0.99}) {
    const double exact = q * 1e6;
    EXPECT_GE(static_cast<double>(delays.quantile(q).count()), exact) << q;
    EXPECT_LE(static_cast<double>(delays.quantile(q).count()), exact * 1.051) << q;
  }
}

TEST(DelayHistogram, each_bucket_holds_what_its_bound_says) {
  for (std::size_t bucket = 0; bucket + 1 < DelayHistogram::kBuckets; ++bucket) {
    DelayHistogram delays;
    delays.add(DelayHistogram::upper(bucket));
    delays.add(DelayHistogram::upper(bucket) + 1us);
    EXPECT_EQ(delays.count(bucket) + delays.count(bucket + 1), 2U) << bucket;
    EXPECT_GE(delays.count(bucket), 1U) << bucket;
  }
}

// A clock that is ahead of the source's makes them negative; one that jumped, hours.
TEST(DelayHistogram, what_no_bucket_was_made_for_goes_into_the_first_or_the_last) {
  DelayHistogram delays;
  delays.add(-1h);
  delays.add(0us);
  delays.add(24h);
  EXPECT_EQ(delays.count(0), 2U);
  EXPECT_EQ(delays.count(DelayHistogram::kBuckets - 1), 1U);
}

}  // namespace
