#include "core/swarm/uplink.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

namespace runnel::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A line with a queue, used as far as the estimate allows.
struct Line {
  explicit Line(double bytes_per_second) : capacity(bytes_per_second) { uplink.begin(300'000, 300'000 / 16.0, now); }
  // `demand`: what there is to send, in bytes per second.
  void run(base::Duration time, double demand) {
    for (base::Time end = now + time; now < end; now += milliseconds{10}) {
      const double sent = std::min(demand, uplink.pace()) / 100;
      uplink.sent(static_cast<std::uint64_t>(sent));
      if (demand > uplink.pace()) uplink.waited();
      queued = std::max(0.0, queued + sent - capacity / 100);
      // TCP keeps a queue where it wants it, whatever others do, and gets what they leave.
      if (beside_s > 0) queued = beside_s * capacity;
      const auto delay = static_cast<std::uint32_t>(queued / capacity * 1e6);
      for (std::uint32_t peer = 1; peer <= 3; ++peer) {
        std::uint32_t& greatest = delays[peer - 1];
        greatest = std::max(greatest, delay);
        if (now.time_since_epoch() % milliseconds{400} != milliseconds{130} * peer) continue;
        uplink.on_delay(PeerKey{peer}, 0xffff'0000U * peer + 20'000 * peer + std::exchange(greatest, 0), now);
      }
      uplink.tick(now);
      worst = std::max(worst, queued / capacity);
    }
  }
  double capacity;
  Uplink uplink{0};
  base::Time now{seconds{100}};
  std::array<std::uint32_t, 3> delays{};   // the greatest that each of the receivers has not told yet
  double queued = 0;
  double beside_s = 0;   // the queue that somebody else keeps full
  double worst = 0;      // seconds
};

TEST(Uplink, finds_what_the_line_carries_when_there_is_enough_to_send) {
  for (const double capacity : {75'000.0, 300'000.0, 525'000.0, 1'050'000.0}) {
    Line line{capacity};
    line.run(seconds{30}, 2'000'000);
    EXPECT_GT(line.uplink.rate(), 0.75 * capacity) << capacity;
    EXPECT_LT(line.uplink.rate(), 1.15 * capacity) << capacity;
    line.worst = 0;
    line.run(seconds{20}, 2'000'000);
    EXPECT_LT(line.worst, 0.2) << "once it is found, the queue stays short";
  }
}

TEST(Uplink, what_was_measured_stands_until_a_queue_shows) {
  Line line{1'000'000};
  line.uplink.measured(900'000, false, line.now);
  EXPECT_EQ(line.uplink.rate(), 900'000);
  EXPECT_FALSE(line.uplink.starting());
  line.run(seconds{10}, 100'000);
  EXPECT_EQ(line.uplink.rate(), 900'000);
  line.uplink.measured(500'000, true, line.now);
  EXPECT_TRUE(line.uplink.starting()) << "it may be wider";
  Uplink first{0};
  first.measured(75'000, false, line.now);
  first.begin(300'000, 20'000, line.now);
  EXPECT_EQ(first.rate(), 75'000) << "a guess comes too late";
}

TEST(Uplink, use_does_not_raise_it_past_what_was_measured_but_asks_for_another_measure) {
  Line line{2'000'000};
  line.uplink.measured(900'000, false, line.now);
  EXPECT_FALSE(line.uplink.doubts_measure());
  line.run(seconds{10}, 3'000'000);
  EXPECT_EQ(line.uplink.rate(), 900'000);
  EXPECT_TRUE(line.uplink.doubts_measure());
  line.uplink.measured(1'900'000, false, line.now);
  EXPECT_FALSE(line.uplink.doubts_measure());

  Line narrow{300'000};
  narrow.uplink.measured(900'000, false, narrow.now);
  narrow.run(seconds{10}, 3'000'000);
  EXPECT_LT(narrow.uplink.rate(), 450'000);
  EXPECT_TRUE(narrow.uplink.doubts_measure());
}

TEST(Uplink, beside_what_fills_the_line_it_keeps_a_share_once_giving_way_was_of_no_use) {
  Line line{1'000'000};
  line.uplink.measured(1'000'000, false, line.now);
  line.run(seconds{10}, 600'000);
  EXPECT_FALSE(line.uplink.contended());
  line.beside_s = 0.2;
  line.run(seconds{2}, 600'000);
  EXPECT_FALSE(line.uplink.contended()) << "first it gives way";
  EXPECT_LT(line.uplink.rate(), 800'000);
  line.run(seconds{15}, 600'000);
  EXPECT_TRUE(line.uplink.contended());
  EXPECT_EQ(line.uplink.rate(), 500'000);
  EXPECT_EQ(line.uplink.pace(), 500'000);
  EXPECT_FALSE(line.uplink.doubts_measure()) << "trains that share the line say nothing of it";
  line.beside_s = 0;
  line.run(seconds{3}, 600'000);
  EXPECT_FALSE(line.uplink.contended());
  line.run(seconds{30}, 2'000'000);
  EXPECT_GT(line.uplink.rate(), 800'000);
}

TEST(Uplink, a_line_that_has_become_narrower_is_not_taken_for_one_that_others_fill) {
  for (const double left : {0.4, 0.3, 0.25, 0.2, 0.1}) {
    for (const double demand : {400'000.0, 2'000'000.0}) {
      Line line{1'000'000};
      line.uplink.measured(1'000'000, false, line.now);
      line.run(seconds{5}, demand);
      line.capacity = left * 1'000'000;
      line.run(seconds{20}, demand);
      EXPECT_FALSE(line.uplink.contended()) << left << " of it";
      double most = 0;
      for (int second = 0; second < 40; ++second) {
        line.run(seconds{1}, demand);
        most = std::max(most, std::min(demand, line.uplink.pace()));
      }
      EXPECT_LE(most, 1.2 * line.capacity) << left << " of it";
    }
  }
}

TEST(Uplink, a_queue_that_grows_by_what_we_send_is_ours) {
  Line line{1'000'000};
  line.uplink.measured(1'000'000, false, line.now);
  line.run(seconds{2}, 600'000);
  line.beside_s = 0.2;
  line.run(seconds{20}, 600'000);
  ASSERT_TRUE(line.uplink.contended());
  line.beside_s = 0.4;
  line.run(seconds{3}, 600'000);
  EXPECT_FALSE(line.uplink.contended());
  line.run(seconds{20}, 600'000);
  EXPECT_FALSE(line.uplink.contended()) << "nor soon again";
}

TEST(Uplink, gives_no_more_than_the_user_allows) {
  Line line{1'000'000};
  line.uplink.set_limit(120'000);
  EXPECT_TRUE(line.uplink.limited());
  line.run(seconds{5}, 2'000'000);
  EXPECT_EQ(line.uplink.rate(), 120'000);
  EXPECT_EQ(line.uplink.pace(), 120'000);
  line.uplink.set_limit(0);
  EXPECT_FALSE(line.uplink.limited());
  EXPECT_GE(line.uplink.rate(), 300'000);
}

TEST(Uplink, a_line_that_is_not_used_is_not_thought_faster) {
  Line line{1'000'000};
  line.run(seconds{30}, 100'000);
  EXPECT_EQ(line.uplink.rate(), 300'000);
}

TEST(Uplink, a_queue_that_few_receivers_see_is_their_own) {
  Uplink uplink{0};
  base::Time now{seconds{100}};
  uplink.begin(300'000, 20'000, now);
  for (int i = 0; i < 100; ++i, now += milliseconds{100}) {
    uplink.sent(30'000);
    uplink.waited();
    uplink.on_delay(PeerKey{1}, static_cast<std::uint32_t>(i) * 5'000, now);
    uplink.on_delay(PeerKey{2}, 70'000, now);
    uplink.on_delay(PeerKey{3}, 90'000, now);
    uplink.tick(now);
  }
  EXPECT_GT(uplink.rate(), 300'000);
}

TEST(Uplink, nothing_is_concluded_from_silence) {
  Uplink uplink{0};
  base::Time now{seconds{100}};
  uplink.begin(300'000, 20'000, now);
  for (int i = 0; i < 100; ++i, now += milliseconds{100}) {
    uplink.sent(30'000);
    uplink.waited();
    uplink.tick(now);
  }
  EXPECT_EQ(uplink.rate(), 300'000);
  EXPECT_FALSE(uplink.queue(now));
}

TEST(Uplink, keeps_so_many_peers) {
  Uplink uplink{0};
  const base::Time now{seconds{100}};
  uplink.begin(300'000, 20'000, now);
  for (std::uint32_t i = 0; i < 3 * Uplink::kMaxPeers; ++i) uplink.on_delay(PeerKey{i}, 1000, now);
  for (std::uint32_t i = 0; i < 3 * Uplink::kMaxPeers; ++i) uplink.on_delay(PeerKey{i}, i < Uplink::kMaxPeers ? 90'000 : 1000, now);
  EXPECT_EQ(uplink.queue(now), milliseconds{89}) << "those who were one too many are not in it";
}

TEST(Uplink, a_queue_that_was_there_when_a_receiver_came_is_seen_once_it_has_gone) {
  Uplink uplink{0};
  const base::Time now{seconds{100}};
  uplink.begin(300'000, 20'000, now);
  uplink.on_delay(PeerKey{1}, 90'000, now);
  EXPECT_EQ(uplink.queue(now), milliseconds{0});
  uplink.on_delay(PeerKey{1}, 10'000, now);
  uplink.on_delay(PeerKey{1}, 60'000, now);
  EXPECT_EQ(uplink.queue(now), milliseconds{50});
}

TEST(Uplink, what_two_chunks_take_on_the_line_is_no_queue) {
  const base::Time now{seconds{100}};
  const auto seen = [&](double bytes_per_second, std::uint32_t delay_us) {
    Uplink uplink{1'000};
    uplink.measured(bytes_per_second, false, now);
    uplink.on_delay(PeerKey{1}, 5'000, now);
    uplink.on_delay(PeerKey{1}, 5'000 + delay_us, now);
    return *uplink.queue(now);
  };
  EXPECT_EQ(seen(50'000, 35'000), milliseconds{0});
  EXPECT_EQ(seen(50'000, 100'000), milliseconds{60});
  EXPECT_EQ(seen(1'000'000, 35'000), milliseconds{33});
  EXPECT_EQ(seen(1'000, 300'000), milliseconds{240}) << "no line of a stream is that slow";
}

TEST(Uplink, what_shows_at_the_end_of_bursts_holds_it_near_the_line) {
  Line line{300'000};
  // A fifth of each second there is as much to send as may leave; else a third of the line.
  for (int i = 0; i < 60; ++i) {
    line.run(milliseconds{200}, 2'000'000);
    line.run(milliseconds{800}, 100'000);
  }
  EXPECT_GT(line.uplink.rate(), 0.8 * line.capacity);
  EXPECT_LT(line.uplink.rate(), 1.35 * line.capacity);
}

// To who never saw it empty, a full queue looks like a long way.
TEST(Uplink, newcomers_to_a_full_line_do_not_hide_its_queue) {
  Uplink uplink{0};
  base::Time now{seconds{100}};
  uplink.begin(300'000, 20'000, now);
  uplink.on_delay(PeerKey{1}, 10'000, now);
  uplink.on_delay(PeerKey{1}, 110'000, now);
  for (std::uint32_t peer = 2; peer < 60; ++peer) uplink.on_delay(PeerKey{peer}, 130'000, now);
  EXPECT_EQ(uplink.queue(now), milliseconds{100});
  for (int i = 0; i < 20; ++i, now += milliseconds{100}) {
    uplink.sent(30'000);
    uplink.waited();
    for (std::uint32_t peer = 1; peer < 60; ++peer) uplink.on_delay(PeerKey{peer}, peer == 1 ? 110'000 : 130'000, now);
    uplink.tick(now);
  }
  EXPECT_LT(uplink.rate(), 300'000);
  // Once it has gone, they know how long the way is.
  for (int i = 0; i < 3; ++i, now += milliseconds{100}) {
    for (std::uint32_t peer = 1; peer < 60; ++peer) uplink.on_delay(PeerKey{peer}, peer == 1 ? 10'000 : 30'000, now);
    uplink.tick(now);
  }
  for (std::uint32_t peer = 2; peer < 60; ++peer) uplink.on_delay(PeerKey{peer}, 80'000, now);
  EXPECT_EQ(uplink.queue(now), milliseconds{50});
}

}  // namespace
}  // namespace runnel::swarm
