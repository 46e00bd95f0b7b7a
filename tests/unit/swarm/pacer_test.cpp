#include "core/swarm/pacer.hpp"

#include <gtest/gtest.h>

namespace runnel::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr base::Time kNow{seconds{100}};

TEST(Pacer, what_was_let_go_takes_its_time) {
  Pacer pacer{kNow};
  EXPECT_EQ(pacer.free_at(1000), kNow);
  pacer.charge(100, 1000, kNow);
  pacer.charge(50, 1000, kNow + milliseconds{50});
  EXPECT_EQ(pacer.free_at(1000), kNow + milliseconds{150});
  pacer.charge(10, 1000, kNow + seconds{5});
  EXPECT_EQ(pacer.free_at(1000), kNow + seconds{5} + milliseconds{10}) << "idle time is not saved up";
}

// A thread wakes when the processors let it, and meanwhile the line has nothing to carry.
TEST(Pacer, what_was_missed_by_waking_late_is_made_up_for) {
  constexpr double kPace = 1000;
  Pacer pacer{kNow};
  pacer.charge(8, kPace, kNow);
  pacer.more_waits(true, kPace, kNow);
  pacer.charge(8, kPace, kNow + milliseconds{11});
  EXPECT_EQ(pacer.free_at(kPace), kNow + milliseconds{16}) << "three milliseconds late";
  pacer.charge(8, kPace, kNow + seconds{1});
  EXPECT_EQ(pacer.free_at(kPace), kNow + seconds{1} + milliseconds{8} - Pacer::kMostLate) << "but no more than a little";
}

TEST(Pacer, nothing_is_missed_by_who_has_nothing_to_send_or_may_not_send) {
  constexpr double kPace = 1000;
  Pacer pacer{kNow};
  pacer.more_waits(true, kPace, kNow + seconds{1});
  pacer.charge(8, kPace, kNow + seconds{1});
  EXPECT_EQ(pacer.free_at(kPace), kNow + seconds{1} + milliseconds{8}) << "it was idle until then";
  pacer.wait_until(kNow + seconds{2});
  pacer.charge(8, kPace, kNow + seconds{2});
  EXPECT_EQ(pacer.free_at(kPace), kNow + seconds{2} + milliseconds{8}) << "that was the user's limit";
  pacer.more_waits(false, kPace, kNow + seconds{2});
  pacer.charge(8, kPace, kNow + seconds{3});
  EXPECT_EQ(pacer.free_at(kPace), kNow + seconds{3} + milliseconds{8});
}

// A line that was thought to be next to nothing, for a moment, must not keep us silent for as long as that would have taken.
TEST(Pacer, what_is_owed_leaves_sooner_when_the_line_turns_out_to_be_wider) {
  Pacer pacer{kNow};
  pacer.charge(1000, 10, kNow);
  EXPECT_EQ(pacer.free_at(10), kNow + seconds{100});
  EXPECT_EQ(pacer.free_at(10'000), kNow + milliseconds{100});
}

TEST(Pacer, what_went_past_it_holds_up_the_rest_only_so_long) {
  Pacer pacer{kNow};
  for (int i = 0; i < 100; ++i) pacer.charge_past(1000, 1000, kNow + milliseconds{i});
  EXPECT_LE(pacer.free_at(1000), kNow + milliseconds{99} + Pacer::kMostPast);
  pacer.charge(1000, 1000, kNow + milliseconds{99});
  const base::Time free = pacer.free_at(1000);
  pacer.charge_past(10, 1000, kNow + milliseconds{99});
  EXPECT_EQ(pacer.free_at(1000), free) << "nor is anything forgotten by it";
}

TEST(Pacer, waits_for_the_users_limit) {
  Pacer pacer{kNow};
  pacer.wait_until(kNow + seconds{1});
  pacer.wait_until(kNow);
  EXPECT_EQ(pacer.free_at(1000), kNow + seconds{1});
}

}  // namespace
}  // namespace runnel::swarm
