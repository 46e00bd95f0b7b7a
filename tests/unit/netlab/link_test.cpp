// A link's promises as properties over long runs of packets: the rate, the queue's bound, order, and the statistics of what is lost.
#include "netlab/link.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace runnel::netlab {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPacketBytes = 1500;
constexpr std::uint64_t kSeeds[] = {1, 2, 3, 4, 5};

struct Outcome {
  std::vector<Passage> passages;
  LinkCounters counters;
};

// `count` packets, one each `interval`.
Outcome run(const LinkSettings& settings, std::uint64_t seed, std::size_t count, Duration interval, double place = 0) {
  Link link{settings, base::Rng{seed}, place};
  Outcome result;
  for (std::size_t i = 0; i < count; ++i)
    result.passages.push_back(link.offer(Time{interval * static_cast<std::int64_t>(i)}, kPacketBytes));
  result.counters = link.counters();
  return result;
}

TEST(NetlabLink, rate_holds_within_a_percent_when_more_is_offered) {
  for (const double mbps : {0.5, 3.0, 100.0, 1000.0}) {
    const double packet_ns = kPacketBytes * 8e3 / mbps;
    const Outcome result = run({.rate_bits_per_s = mbps * 1e6}, 1, 20'000, Duration{static_cast<std::int64_t>(packet_ns / 3)});
    Time last;
    std::size_t passed = 0;
    for (const Passage& passage : result.passages) {
      if (passage.fate != Fate::passes) continue;
      last = passage.due;
      ++passed;
    }
    const double measured = static_cast<double>(passed * kPacketBytes) * 8e3 / static_cast<double>(last.time_since_epoch().count());
    EXPECT_NEAR(measured, mbps, mbps / 100);
    EXPECT_GT(result.counters.queue_full, 0U);
  }
}

TEST(NetlabLink, packets_below_the_rate_wait_for_nothing_but_their_own_bits) {
  const Outcome result = run({.rate_bits_per_s = 12e6}, 1, 100, 2ms);  // 1 ms each
  for (std::size_t i = 0; i < result.passages.size(); ++i) EXPECT_EQ(result.passages[i].due, Time{2ms * i + 1ms});
  EXPECT_EQ(result.counters.queue_wait_max, Duration{});
}

TEST(NetlabLink, queue_holds_what_was_asked_for_and_no_more) {
  // All at once: one goes, as many wait as fit.
  const LinkSettings in_bytes{.rate_bits_per_s = 1e6, .queue_bytes = 10 * kPacketBytes};
  EXPECT_EQ(run(in_bytes, 1, 100, 0ns).counters.packets, 10U);
  const LinkSettings in_time{.rate_bits_per_s = 12e6, .queue_time = 50ms};
  const Outcome result = run(in_time, 1, 200, 0ns);
  EXPECT_EQ(result.counters.packets, 50U);
  EXPECT_EQ(result.counters.queue_full, 150U);
  EXPECT_LE(result.counters.queue_wait_max, 50ms);
}

TEST(NetlabLink, packet_that_finds_the_line_idle_passes_however_small_the_queue) {
  const Outcome result = run({.rate_bits_per_s = 12e6, .queue_bytes = 1}, 1, 10, 1ms);
  EXPECT_EQ(result.counters.packets, 10U);
}

TEST(NetlabLink, keeps_order_under_jitter) {
  for (const std::uint64_t seed : kSeeds) {
    SCOPED_TRACE(seed);
    const Outcome result = run({.min_delay = 10ms, .max_delay = 10ms, .jitter = 20ms}, seed, 10'000, 100us);
    Time last;
    for (std::size_t i = 0; i < result.passages.size(); ++i) {
      const Passage& passage = result.passages[i];
      ASSERT_GE(passage.due, last);
      last = passage.due;
      ASSERT_GE(passage.due, Time{100us * i + 10ms});
      ASSERT_LE(passage.due, Time{100us * i + 30ms});
    }
  }
}

TEST(NetlabLink, jitter_of_sparse_packets_is_uniform) {
  const Outcome result = run({.min_delay = 10ms, .max_delay = 10ms, .jitter = 20ms}, 7, 20'000, 50ms);
  double mean_ms = 0;
  for (std::size_t i = 0; i < result.passages.size(); ++i) mean_ms += to_ms(result.passages[i].due - Time{50ms * i}) / 20'000;
  EXPECT_NEAR(mean_ms, 20, 0.3);
}

TEST(NetlabLink, random_loss_is_as_asked_for) {
  constexpr std::size_t kCount = 200'000;
  for (const double loss : {0.001, 0.01, 0.1, 0.5}) {
    for (const std::uint64_t seed : kSeeds) {
      SCOPED_TRACE(seed);
      const auto lost = static_cast<double>(run({.loss = loss}, seed, kCount, 10us).counters.lost);
      const double deviation = std::sqrt(kCount * loss * (1 - loss));
      EXPECT_NEAR(lost, kCount * loss, 5 * deviation);
    }
  }
}

TEST(NetlabLink, bursts_have_the_length_and_the_share_asked_for) {
  constexpr std::size_t kCount = 400'000;
  for (const double leave : {0.05, 0.2, 0.5}) {
    for (const std::uint64_t seed : kSeeds) {
      SCOPED_TRACE(seed);
      const Outcome result = run({.burst = {.enter = 0.01, .leave = leave, .loss = 1}}, seed, kCount, 10us);
      std::size_t bursts = 0;
      for (std::size_t i = 1; i < kCount; ++i)
        bursts += result.passages[i].fate == Fate::lost_in_burst && result.passages[i - 1].fate == Fate::passes;
      const auto lost = static_cast<double>(result.counters.lost_in_burst);
      EXPECT_NEAR(lost / static_cast<double>(bursts), 1 / leave, 0.1 / leave);
      EXPECT_NEAR(lost / kCount, 0.01 / (0.01 + leave), 0.1 * 0.01 / (0.01 + leave));
    }
  }
}

TEST(NetlabLink, reordered_packets_are_overtaken_and_the_others_keep_their_order) {
  const LinkSettings settings{.min_delay = 10ms, .max_delay = 10ms, .reorder = 0.1, .reorder_delay = 5ms};
  const Outcome result = run(settings, 3, 20'000, 1ms);
  EXPECT_NEAR(static_cast<double>(result.counters.reordered), 2000, 5 * std::sqrt(20'000 * 0.1 * 0.9));
  std::size_t late = 0;
  for (std::size_t i = 0; i < result.passages.size(); ++i) {
    const Duration delay = result.passages[i].due - Time{1ms * i};
    ASSERT_TRUE(delay == 10ms || delay == 15ms);
    late += delay == 15ms;
  }
  EXPECT_EQ(late, result.counters.reordered);
}

TEST(NetlabLink, duplicates_come_as_often_as_asked_for) {
  const Outcome result = run({.duplicate = 0.05}, 3, 100'000, 10us);
  EXPECT_NEAR(static_cast<double>(result.counters.duplicated), 5000, 5 * std::sqrt(100'000 * 0.05 * 0.95));
  EXPECT_EQ(result.counters.packets, 100'000U);
}

TEST(NetlabLink, delay_lies_where_the_link_does_between_its_bounds) {
  const LinkSettings settings{.min_delay = 10ms, .max_delay = 30ms};
  EXPECT_EQ(run(settings, 1, 1, 0ns, 0.0).passages[0].due, Time{10ms});
  EXPECT_EQ(run(settings, 1, 1, 0ns, 0.5).passages[0].due, Time{20ms});
}

TEST(NetlabLink, a_smaller_rate_holds_for_what_comes_after_it_was_set) {
  Link link{{.rate_bits_per_s = 12e6}, base::Rng{1}, 0};
  EXPECT_EQ(link.offer(Time{0ms}, kPacketBytes).due, Time{1ms});
  link.set({.rate_bits_per_s = 1.2e6});
  EXPECT_EQ(link.offer(Time{0ms}, kPacketBytes).due, Time{11ms});
}

TEST(NetlabLink, same_seed_has_the_same_fate) {
  const LinkSettings settings{.jitter = 5ms, .loss = 0.1, .burst = {.enter = 0.01}, .reorder = 0.05};
  const Outcome a = run(settings, 9, 5000, 1ms);
  const Outcome b = run(settings, 9, 5000, 1ms);
  for (std::size_t i = 0; i < a.passages.size(); ++i) {
    ASSERT_EQ(a.passages[i].fate, b.passages[i].fate);
    ASSERT_EQ(a.passages[i].due, b.passages[i].due);
  }
}

}  // namespace
}  // namespace runnel::netlab
