// RFC 6817, with the decrease of LEDBAT++.
#include "core/swarm/ledbat.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace runnel::swarm {
namespace {

using base::Duration;
using base::Time;
using namespace std::chrono_literals;

constexpr std::uint32_t kPacket = 1'100;
constexpr std::uint64_t kFloor = std::uint64_t{Ledbat::kMinWindowPackets} * kPacket;

// A path with a delay of its own and a queue; clocks differ by an offset.
struct Path {
  Ledbat ledbat{kPacket};
  Time now{1'000s};
  Duration rtt = 50ms;
  std::uint64_t offset = 0;

  void ack(Duration one_way, bool limited = true, std::uint64_t bytes = kPacket) {
    ledbat.on_ack(bytes, offset + static_cast<std::uint64_t>(one_way.count()), rtt, limited, now);
  }
  // A whole window is acknowledged in the course of one round trip. How much the window grew.
  std::int64_t round_trip(Duration one_way, bool limited = true) {
    const std::uint64_t before = ledbat.window();
    const std::uint64_t packets = std::max<std::uint64_t>(1, before / kPacket);
    for (std::uint64_t i = 0; i < packets; ++i) {
      now += rtt / static_cast<std::int64_t>(packets);
      ack(one_way, limited);
    }
    return static_cast<std::int64_t>(ledbat.window()) - static_cast<std::int64_t>(before);
  }
  // Past start-up, with a base delay of 20 ms.
  void settle() {
    ack(20ms);
    ledbat.on_loss(now);
    now += 1s;
  }
};

TEST(Ledbat, start_up_doubles_each_round_trip_until_a_queue_shows) {
  Path path;
  const auto first = static_cast<std::int64_t>(path.ledbat.window());
  EXPECT_NEAR(static_cast<double>(path.round_trip(20ms)), static_cast<double>(first), kPacket);
  EXPECT_NEAR(static_cast<double>(path.round_trip(20ms)), 2.0 * static_cast<double>(first), 2 * kPacket);
  for (int i = 0; i < 4; ++i) path.ack(20ms + Ledbat::kTarget / 2);
  EXPECT_LE(path.round_trip(20ms), std::int64_t{kPacket}) << "start-up is over for good";
}

// RFC 6817 2.4.2: no faster than a packet per round trip (GAIN at most 1).
TEST(Ledbat, below_the_target_it_grows_by_at_most_a_packet_per_round_trip) {
  Path path;
  path.settle();
  for (const Duration queue : {0ms, 10ms, 40ms, 60ms, 90ms}) {
    path.round_trip(20ms + queue);   // the filter forgets what was before
    for (int i = 0; i < 10; ++i) {
      const std::int64_t grown = path.round_trip(20ms + queue);
      EXPECT_GT(grown, 0) << queue.count();
      EXPECT_LE(grown, std::int64_t{kPacket}) << queue.count();
    }
  }
}

TEST(Ledbat, the_nearer_the_target_the_slower_it_grows) {
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
  for (const Duration queue : {0ms, 25ms, 50ms, 75ms, 95ms}) {
    Path path;
    path.settle();
    path.round_trip(20ms + queue);
    const std::int64_t grown = path.round_trip(20ms + queue);
    EXPECT_LT(grown, last) << queue.count();
    last = grown;
  }
}

TEST(Ledbat, above_the_target_it_yields_and_the_more_the_longer_the_queue) {
  std::int64_t last = 0;
  for (const Duration queue : {110ms, 120ms, 130ms, 145ms}) {
    Path path;
    path.settle();
    for (int i = 0; i < 40; ++i) path.round_trip(20ms);
    for (int i = 0; i < 4; ++i) path.ack(20ms + queue);
    const std::int64_t grown = path.round_trip(20ms + queue);
    EXPECT_LT(grown, last) << queue.count();
    last = grown;
  }
}

TEST(Ledbat, however_long_the_queue_it_goes_down_by_half_per_round_trip_at_most) {
  Path path;
  path.settle();
  for (int i = 0; i < 40; ++i) path.round_trip(20ms);
  for (int i = 0; i < 4; ++i) path.ack(10s);
  const auto before = static_cast<std::int64_t>(path.ledbat.window());
  EXPECT_GE(path.round_trip(10s), -before / 2 - std::int64_t{kPacket});
}

TEST(Ledbat, at_the_target_it_stays) {
  Path path;
  path.settle();
  for (int i = 0; i < 4; ++i) path.ack(20ms + Ledbat::kTarget);
  const std::uint64_t window = path.ledbat.window();
  for (int i = 0; i < 100; ++i) path.ack(20ms + Ledbat::kTarget);
  EXPECT_EQ(path.ledbat.window(), window);
  EXPECT_EQ(path.ledbat.queue_delay(), Ledbat::kTarget);
}

// RFC 6817 2.4.1.
TEST(Ledbat, a_window_that_is_not_used_does_not_grow) {
  Path path;
  EXPECT_EQ(path.round_trip(20ms, false), 0) << "nor in start-up";
  path.settle();
  EXPECT_EQ(path.round_trip(20ms, false), 0);
  for (int i = 0; i < 4; ++i) path.ack(20ms, false);
  for (int i = 0; i < 4; ++i) path.ack(300ms, false);
  EXPECT_LT(path.round_trip(300ms, false), 0) << "but it yields";
}

// RFC 6817 2.4.1.
TEST(Ledbat, halves_at_most_once_per_round_trip) {
  Path path;
  for (int i = 0; i < 3; ++i) path.round_trip(20ms);
  const std::uint64_t window = path.ledbat.window();
  path.ledbat.on_loss(path.now);
  EXPECT_EQ(path.ledbat.window(), window / 2);
  path.ledbat.on_loss(path.now);
  path.ledbat.on_loss(path.now + path.ledbat.rtt() - 1us);
  EXPECT_EQ(path.ledbat.window(), window / 2) << "the same round trip";
  path.ledbat.on_loss(path.now + path.ledbat.rtt());
  EXPECT_EQ(path.ledbat.window(), window / 4);
}

// RFC 6817 2.4.2.
TEST(Ledbat, no_loss_and_no_queue_push_it_below_two_packets) {
  Path path;
  path.settle();
  for (int i = 0; i < 50; ++i, path.now += 1s) path.ledbat.on_loss(path.now);
  EXPECT_EQ(path.ledbat.window(), kFloor);
  for (int i = 0; i < 50; ++i) path.ack(5s);
  EXPECT_EQ(path.ledbat.window(), kFloor);
  path.ledbat.on_timeout();
  EXPECT_EQ(path.ledbat.window(), kFloor);
}

TEST(Ledbat, a_timeout_sets_it_to_the_floor_and_start_up_begins_anew) {
  Path path;
  for (int i = 0; i < 3; ++i) path.round_trip(20ms);
  path.ledbat.on_timeout();
  EXPECT_EQ(path.ledbat.window(), kFloor);
  EXPECT_EQ(path.round_trip(20ms), static_cast<std::int64_t>(kFloor));
}

TEST(Ledbat, it_never_grows_past_its_greatest_window) {
  Path path;
  for (int i = 0; i < 40; ++i) path.ack(20ms, true, 1ULL << 20);
  EXPECT_EQ(path.ledbat.window(), Ledbat::kMaxWindow);
  for (int i = 0; i < 4; ++i) path.ack(20ms + 60ms);   // out of start-up
  for (int i = 0; i < 40; ++i) path.ack(20ms, true, 1ULL << 20);
  EXPECT_EQ(path.ledbat.window(), Ledbat::kMaxWindow);
}

TEST(Ledbat, on_one_machine_the_floor_is_higher) {
  Path path;
  path.ledbat.set_local();
  path.ack(20ms);
  const std::uint64_t floor = std::uint64_t{Ledbat::kMinLocalWindowPackets} * kPacket;
  EXPECT_GE(path.ledbat.window(), floor);
  for (int i = 0; i < 50; ++i, path.now += 1s) path.ledbat.on_loss(path.now);
  path.ledbat.on_timeout();
  for (int i = 0; i < 50; ++i) path.ack(5s);
  EXPECT_EQ(path.ledbat.window(), floor);
}

// ---- delays ---------------------------------------------------------------------------------------------------------

// RFC 7574 8.7: clocks are not in step; samples wrap.
RC_GTEST_PROP(Ledbat, only_differences_of_samples_mean_anything, ()) {
  Path a;
  Path b;
  b.offset = *rc::gen::arbitrary<std::uint64_t>();
  const auto delays = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 400'000));
  for (const int delay : delays) {
    a.ack(Duration{delay});
    b.ack(Duration{delay});
    RC_ASSERT(a.ledbat.window() == b.ledbat.window());
    RC_ASSERT(a.ledbat.queue_delay() == b.ledbat.queue_delay());
  }
}

RC_GTEST_PROP(Ledbat, whatever_a_peer_reports_the_window_keeps_its_bounds, ()) {
  Path path;
  constexpr std::uint64_t kEdge = std::uint64_t{1} << 63;
  const auto samples = *rc::gen::container<std::vector<std::uint64_t>>(rc::gen::oneOf(
      rc::gen::arbitrary<std::uint64_t>(), rc::gen::element<std::uint64_t>(0, 1, kEdge - 1, kEdge, kEdge + 1, ~std::uint64_t{0})));
  for (const std::uint64_t sample : samples) {
    path.now += 10ms;
    path.ledbat.on_ack(*rc::gen::inRange<std::uint64_t>(1, 2'000'000), sample, Duration{*rc::gen::inRange(0, 5'000'000)},
                       *rc::gen::arbitrary<bool>(), path.now);
    RC_ASSERT(path.ledbat.window() >= kFloor);
    RC_ASSERT(path.ledbat.window() <= Ledbat::kMaxWindow);
    RC_ASSERT(path.ledbat.queue_delay() >= Duration{0});
  }
}

// The two samples furthest apart that 64 bits can hold.
TEST(Ledbat, samples_from_both_ends_of_the_scale_are_survived) {
  Path path;
  constexpr std::uint64_t kEdge = std::uint64_t{1} << 63;
  path.ledbat.on_ack(kPacket, 0, 50ms, true, path.now);
  path.ledbat.on_ack(kPacket, kEdge, 50ms, true, path.now);   // the least there is
  for (int i = 0; i < 4; ++i) path.ledbat.on_ack(kPacket, kEdge - 1, 50ms, true, path.now);
  EXPECT_GT(path.ledbat.queue_delay(), 1h) << "a queue beyond measure";
  EXPECT_GE(path.ledbat.window(), kFloor);
}

TEST(Ledbat, one_late_sample_is_no_queue) {
  Path path;
  path.settle();
  for (int i = 0; i < 8; ++i) path.ack(20ms);
  path.ack(500ms);
  EXPECT_EQ(path.ledbat.queue_delay(), 0ms);
  for (int i = 0; i < 4; ++i) path.ack(500ms);
  EXPECT_EQ(path.ledbat.queue_delay(), 480ms);
}

TEST(Ledbat, a_shorter_path_is_believed_at_once) {
  Path path;
  path.settle();
  for (int i = 0; i < 4; ++i) path.ack(200ms);
  EXPECT_EQ(path.ledbat.queue_delay(), 180ms);
  path.ack(5ms);
  for (int i = 0; i < 4; ++i) path.ack(200ms);
  EXPECT_EQ(path.ledbat.queue_delay(), 195ms);
}

// RFC 6817 2.5: the base delay is the least of the last minutes.
TEST(Ledbat, a_path_that_became_longer_is_learned_after_ten_minutes_and_not_before) {
  Path path;
  path.settle();
  const Time changed = path.now;
  for (; path.now < changed + 8min; path.now += 1s) path.ack(170ms);
  EXPECT_EQ(path.ledbat.queue_delay(), 150ms) << "the old path may come back";
  for (; path.now < changed + 12min; path.now += 1s) path.ack(170ms);
  EXPECT_EQ(path.ledbat.queue_delay(), 0ms);
  EXPECT_GT(path.round_trip(170ms), 0);
}

// ---- round trips ----------------------------------------------------------------------------------------------------

TEST(Ledbat, the_timeout_follows_the_round_trip_above_a_floor) {
  Path path;
  EXPECT_EQ(path.ledbat.timeout(), 1s) << "before any sample: RFC 6298 2.1";
  path.rtt = 1ms;
  for (int i = 0; i < 100; ++i) path.ack(20ms);
  EXPECT_EQ(path.ledbat.timeout(), 300ms);
  path.rtt = 800ms;
  for (int i = 0; i < 200; ++i) path.ack(20ms);
  EXPECT_GE(path.ledbat.timeout(), 799ms);
  EXPECT_LE(path.ledbat.timeout(), 1s);
  EXPECT_NEAR(static_cast<double>(path.ledbat.rtt().count()), 800'000, 10'000);
}

TEST(Ledbat, a_jittery_path_is_given_more_time) {
  Path steady;
  Path jittery;
  for (int i = 0; i < 200; ++i) {
    steady.rtt = 500ms;
    steady.ack(20ms);
    jittery.rtt = i % 2 == 0 ? 200ms : 800ms;
    jittery.ack(20ms);
  }
  EXPECT_GT(jittery.ledbat.timeout(), steady.ledbat.timeout() + 300ms);
}

}  // namespace
}  // namespace runnel::swarm
