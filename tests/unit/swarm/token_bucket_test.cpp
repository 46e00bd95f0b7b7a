#include "core/swarm/token_bucket.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace runnel::swarm {
namespace {

using base::Duration;
using base::Time;
using namespace std::chrono_literals;

const Time kNow{1000s};

// Takes `piece` bytes whenever it may, looking each `step`; what it took in all.
std::uint64_t take_for(TokenBucket& bucket, Duration time, Duration step, std::uint64_t piece) {
  std::uint64_t taken = 0;
  for (Time now = kNow; now < kNow + time; now += step) {
    while (bucket.allows(now)) {
      bucket.take(piece);
      taken += piece;
    }
  }
  return taken;
}

TEST(TokenBucket, without_a_rate_there_is_no_limit) {
  TokenBucket bucket;
  EXPECT_FALSE(bucket.limited());
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_TRUE(bucket.allows(kNow));
    bucket.take(1U << 30);
  }
  bucket.set_rate(1);
  EXPECT_TRUE(bucket.limited());
  bucket.set_rate(0);
  EXPECT_FALSE(bucket.limited());
  EXPECT_TRUE(bucket.allows(kNow)) << "debts of the limited past are forgotten";
}

RC_GTEST_PROP(TokenBucket, what_goes_through_is_the_rate_whatever_the_pieces, ()) {
  const auto rate = *rc::gen::inRange<std::uint64_t>(10'000, 100'000'000);
  const auto piece = *rc::gen::inRange<std::uint64_t>(1'000, 40'000);
  const Duration step{*rc::gen::inRange(1'000, 50'000)};
  TokenBucket bucket;
  bucket.set_rate(rate);
  constexpr std::uint64_t kSeconds = 20;
  const std::uint64_t taken = take_for(bucket, std::chrono::seconds{kSeconds}, step, piece);
  const std::uint64_t burst = rate / 10 + 3'000;
  RC_ASSERT(taken <= rate * kSeconds + burst + piece);
  // The last step is not whole, nor what fills for the next go.
  const auto last_step = static_cast<std::uint64_t>(step.count()) * rate / 1'000'000;
  RC_ASSERT(taken + last_step + rate / 200 + piece >= rate * kSeconds);
}

TEST(TokenBucket, what_is_used_up_fills_for_a_moment) {
  TokenBucket bucket;
  bucket.set_rate(100'000'000);
  std::size_t goes = 0;
  bool before = false;
  for (Time now = kNow; now < kNow + 1s; now += 100us) {
    const bool open = bucket.allows(now);
    goes += open && !before ? 1 : 0;
    before = open;
    while (bucket.allows(now)) bucket.take(32 * 1080);
  }
  EXPECT_GT(goes, 150U);
  EXPECT_LE(goes, 201U);
}

TEST(TokenBucket, an_idle_minute_saves_up_a_tenth_of_a_second_and_no_more) {
  TokenBucket bucket;
  bucket.set_rate(1'000'000);
  EXPECT_TRUE(bucket.allows(kNow));
  bucket.take(100'000);
  std::uint64_t burst = 0;
  while (bucket.allows(kNow + 60s)) {
    bucket.take(1'000);
    burst += 1'000;
  }
  EXPECT_LE(burst, 100'000U + 3'000 + 1'000);
  EXPECT_GE(burst, 100'000U);
}

TEST(TokenBucket, who_took_too_much_waits_until_it_is_paid) {
  TokenBucket bucket;
  bucket.set_rate(1'000'000);
  ASSERT_TRUE(bucket.allows(kNow));
  bucket.take(600'000);
  for (Duration at = 0ms; at < 490ms; at += 10ms) EXPECT_FALSE(bucket.allows(kNow + at)) << at.count();
  EXPECT_TRUE(bucket.allows(kNow + 510ms));
}

TEST(TokenBucket, a_slow_rate_still_lets_a_datagram_through) {
  TokenBucket bucket;
  bucket.set_rate(1'000);
  EXPECT_TRUE(bucket.allows(kNow));
  bucket.take(1'452);
  EXPECT_TRUE(bucket.allows(kNow + 2s));
}

}  // namespace
}  // namespace runnel::swarm
