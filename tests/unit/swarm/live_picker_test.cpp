#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "core/swarm/picker.hpp"
#include "core/tree/munro.hpp"
#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using base::Duration;
using base::Time;
using test::range;
using test::ranges;
using tree::ChunkIndex;
using tree::ChunkRange;
using tree::IntervalSet;
using namespace std::chrono_literals;

const Time kNow{1'000s};
const IntervalSet kNothing;
constexpr ChunkIndex kStart{0};
constexpr std::uint32_t kMunro = tree::kDefaultMunroWidth;

LivePicker picker() { return LivePicker{1, kMunro}; }

std::optional<ChunkIndex> first_missing(const LivePicker& live) {
  const auto run = live.missing().next_at(kStart);
  return run ? std::optional{run->first} : std::nullopt;
}

TEST(LivePicker, what_was_shown_is_asked_for_oldest_first_and_a_munro_at_a_time) {
  LivePicker live = picker();
  EXPECT_EQ(live.next_unasked(kStart), std::nullopt) << "nothing was shown";
  live.seen(range(650, 800), kNothing, kNow);
  for (std::uint64_t at = 650; at <= 800;) {
    const auto run = live.next_unasked(kStart);
    ASSERT_TRUE(run);
    EXPECT_EQ(run->first, ChunkIndex{at});
    EXPECT_EQ(run->first.value() / kMunro, run->last.value() / kMunro);
    live.asked(*run);
    at = run->last.value() + 1;
  }
  EXPECT_EQ(live.next_unasked(kStart), std::nullopt);
  EXPECT_EQ(first_missing(live), ChunkIndex{650}) << "asked is not here";
}

TEST(LivePicker, what_is_here_is_not_asked_for) {
  LivePicker live = picker();
  live.seen(range(32, 95), ranges({range(0, 63)}), kNow);
  EXPECT_EQ(first_missing(live), ChunkIndex{64});
  EXPECT_EQ(live.next_unasked(kStart), range(64, 95));
  for (std::uint64_t i = 64; i < 96; ++i) live.arrived(ChunkIndex{i});
  EXPECT_EQ(live.next_unasked(kStart), std::nullopt);
  EXPECT_EQ(first_missing(live), std::nullopt);
}

TEST(LivePicker, what_was_asked_is_not_asked_again_because_another_shows_it) {
  LivePicker live = picker();
  live.seen(range(0, 31), kNothing, kNow);
  live.asked(range(0, 31));
  live.seen(range(0, 63), kNothing, kNow);
  EXPECT_EQ(live.next_unasked(kStart), range(32, 63));
}

TEST(LivePicker, what_did_not_come_is_asked_again_except_what_came_meanwhile) {
  LivePicker live = picker();
  live.seen(range(0, 31), kNothing, kNow);
  live.asked(range(0, 31));
  live.arrived(ChunkIndex{5});
  live.returned(range(0, 100));
  EXPECT_EQ(live.next_unasked(kStart), range(0, 4));
  EXPECT_EQ(live.next_unasked(ChunkIndex{5}), range(6, 31));
  EXPECT_EQ(live.next_unasked(ChunkIndex{32}), std::nullopt) << "nobody shows that";
}

TEST(LivePicker, forgets_what_left_the_window) {
  LivePicker live = picker();
  live.seen(range(0, 319), kNothing, kNow);
  live.asked(range(0, 200));
  live.drop_below(ChunkIndex{160});
  live.returned(range(0, 200));
  EXPECT_EQ(first_missing(live), ChunkIndex{160});
  EXPECT_EQ(live.next_unasked(kStart), range(160, 191));
}

RC_GTEST_PROP(LivePicker, agrees_with_plain_sets, ()) {
  constexpr std::uint32_t kWidth = 8;
  LivePicker live{*rc::gen::arbitrary<std::uint64_t>(), kWidth};
  std::set<std::uint64_t> have;
  std::set<std::uint64_t> missing;
  std::set<std::uint64_t> unasked;
  std::uint64_t lowest = 0;
  for (int steps = *rc::gen::inRange(0, 80); steps > 0; --steps) {
    const auto first = lowest + *rc::gen::inRange<std::uint64_t>(0, 120);
    const ChunkRange r = range(first, first + *rc::gen::inRange<std::uint64_t>(0, 20));
    const int what = *rc::gen::inRange(0, 9);
    if (what < 4) {
      live.seen(r, test::chunks(have), kNow);
    } else if (what < 6) {
      if (const auto run = live.next_unasked(ChunkIndex{first}))
        live.asked(*run), std::erase_if(unasked, [&](std::uint64_t i) { return run->contains(ChunkIndex{i}); });
    } else if (what == 6) {
      live.arrived(r.first);
    } else if (what == 7) {
      live.returned(r);
    } else {
      lowest += *rc::gen::inRange<std::uint64_t>(0, 10);
      live.drop_below(ChunkIndex{lowest});
      const auto gone = [&](std::uint64_t i) { return i < lowest; };
      std::erase_if(missing, gone);
      std::erase_if(unasked, gone);
    }
    for (std::uint64_t i = r.first.value(); i <= r.last.value(); ++i) {
      if (what < 4 && !have.contains(i) && missing.insert(i).second) unasked.insert(i);
      if (what == 7 && missing.contains(i)) unasked.insert(i);
    }
    if (what == 6) have.insert(first), missing.erase(first), unasked.erase(first);

    RC_ASSERT(first_missing(live) == (missing.empty() ? std::nullopt : std::optional{ChunkIndex{*missing.begin()}}));
    std::optional<ChunkRange> expected;
    if (const auto it = unasked.lower_bound(first); it != unasked.end()) {
      std::uint64_t end = *it;
      while (unasked.contains(end + 1) && (end + 1) % kWidth != 0) ++end;
      expected = range(*it, end);
    }
    RC_ASSERT(live.next_unasked(ChunkIndex{first}) == expected);
  }
}

// ---- turns ------------------------------------------------------------------------------------------------------------

// Of a thousand viewers, how many may ask.
int takers(std::size_t holders, std::size_t neighbours, Duration since, std::uint64_t munro = 100) {
  int due = 0;
  for (std::uint64_t salt = 0; salt < 1'000; ++salt) {
    LivePicker live{salt, kMunro};
    live.seen(range(munro * kMunro, munro * kMunro + kMunro - 1), kNothing, kNow);
    due += live.due(ChunkIndex{munro * kMunro}, holders, neighbours, kNow + since) ? 1 : 0;
  }
  return due;
}

TEST(LivePicker, what_one_of_many_holds_a_few_ask_for) {
  EXPECT_NEAR(takers(1, 24, 0ms), 1'000 * LivePicker::kTakers / 24, 40);
  EXPECT_NEAR(takers(4, 24, 0ms), 1'000 * LivePicker::kTakers * 4 / 24, 90);
}

TEST(LivePicker, alone_with_the_source_or_where_half_hold_it_nobody_waits) {
  EXPECT_EQ(takers(1, 1, 0ms), 1'000);
  EXPECT_EQ(takers(1, 2, 0ms), 1'000);
  EXPECT_EQ(takers(12, 24, 0ms), 1'000);
}

TEST(LivePicker, nobody_waits_longer_than_the_longest) {
  EXPECT_LT(takers(1, 1'000, LivePicker::kLongestWait / 2), 600);
  EXPECT_EQ(takers(1, 1'000, LivePicker::kLongestWait), 1'000);
}

TEST(LivePicker, another_munro_another_draw) {
  LivePicker live = picker();
  int due = 0;
  for (std::uint64_t munro = 0; munro < 1'000; ++munro) {
    const ChunkIndex first{munro * kMunro};
    live.seen({first, first}, kNothing, kNow);
    due += live.due(first, 1, 20, kNow) ? 1 : 0;
  }
  EXPECT_NEAR(due, 1'000 * LivePicker::kTakers / 20, 40);
}

TEST(LivePicker, being_shown_again_does_not_begin_the_wait_anew) {
  LivePicker live = picker();
  for (Duration at{}; at <= LivePicker::kLongestWait; at += 10ms) live.seen(range(0, 31), kNothing, kNow + at);
  EXPECT_TRUE(live.due(kStart, 1, 1'000'000, kNow + LivePicker::kLongestWait));
}

RC_GTEST_PROP(LivePicker, whose_turn_it_is_stays_so_with_time_and_with_more_holders, ()) {
  LivePicker live{*rc::gen::arbitrary<std::uint64_t>(), kMunro};
  const auto neighbours = *rc::gen::inRange<std::size_t>(2, 100);
  live.seen(range(0, 31), kNothing, kNow);
  bool due = false;
  Duration at{};
  std::size_t holders = 1;
  for (int steps = 0; steps < 50; ++steps) {
    const bool now_due = live.due(ChunkIndex{7}, holders, neighbours, kNow + at);
    RC_ASSERT(now_due || !due);
    due = now_due;
    at += Duration{*rc::gen::inRange(0, 30'000)};
    holders = std::min(neighbours, holders + *rc::gen::inRange<std::size_t>(0, 2));
  }
}

// ---- limits -----------------------------------------------------------------------------------------------------------

TEST(LivePicker, past_its_limit_munros_are_asked_for_without_a_wait) {
  LivePicker live = picker();
  for (std::uint64_t munro = 0; munro < LivePicker::kMaxSeen + 10; ++munro)   // each in a claim of its own
    live.seen(range(2 * munro * kMunro, 2 * munro * kMunro + kMunro - 1), kNothing, kNow);
  const auto due = [&](std::uint64_t munro) { return live.due(ChunkIndex{2 * munro * kMunro}, 1, 1'000'000, kNow); };
  for (std::uint64_t munro = LivePicker::kMaxSeen - 10; munro < LivePicker::kMaxSeen; ++munro) EXPECT_FALSE(due(munro)) << munro;
  for (std::uint64_t munro = LivePicker::kMaxSeen; munro < LivePicker::kMaxSeen + 10; ++munro) EXPECT_TRUE(due(munro)) << munro;
}

TEST(LivePicker, munros_of_one_claim_have_one_place_in_the_table_and_keep_their_time) {
  LivePicker live = picker();
  live.seen(range(10 * kMunro, 11 * kMunro - 1), kNothing, kNow - 10s);
  live.seen(range(0, 10 * std::uint64_t{LivePicker::kMaxSeen} * kMunro - 1), kNothing, kNow);
  for (const std::uint64_t munro : {0UL, 9UL, 11UL, 9 * LivePicker::kMaxSeen})
    EXPECT_FALSE(live.due(ChunkIndex{munro * kMunro}, 1, 1'000'000, kNow)) << munro;
  EXPECT_TRUE(live.due(ChunkIndex{10 * kMunro}, 1, 1'000'000, kNow)) << "it was shown long before";
}

TEST(LivePicker, a_turn_begins_with_who_is_believed) {
  LivePicker live = picker();
  const auto due = [&](Time now) { return live.due(kStart, 1, 1'000'000, now); };
  live.seen(range(0, 31), kNothing, kNow, false);
  EXPECT_TRUE(due(kNow)) << "nobody waits with what only liars show";
  live.seen(range(0, 31), kNothing, kNow + 10s);
  EXPECT_FALSE(due(kNow + 10s)) << "the claim of before has not used its wait up";
}

TEST(LivePicker, what_is_believed_no_more_is_not_wanted) {
  LivePicker live = picker();
  live.seen(range(0, 1'000), kNothing, kNow);
  live.drop_above(ChunkIndex{63});
  EXPECT_EQ(live.next_unasked(ChunkIndex{32}), range(32, 63));
  EXPECT_EQ(live.next_unasked(ChunkIndex{64}), std::nullopt);
  live.drop_above(ChunkIndex{~std::uint64_t{0}});
  EXPECT_EQ(live.next_unasked(kStart), range(0, 31)) << "nothing lies beyond the end of all indices";
}

TEST(LivePicker, tells_what_nobody_had_shown) {
  LivePicker live = picker();
  EXPECT_EQ(live.seen(range(0, 9), ranges({range(4, 5)}), kNow), (std::vector{range(0, 3), range(6, 9)}));
  EXPECT_EQ(live.seen(range(2, 12), ranges({range(4, 5)}), kNow), std::vector{range(10, 12)});
}

TEST(LivePicker, the_widest_claim_there_is_costs_no_more_than_its_table) {
  LivePicker live = picker();
  live.seen(range(0, (std::uint64_t{1} << 62) - 1), kNothing, kNow);
  live.seen(range(0, (std::uint64_t{1} << 62) - 1), kNothing, kNow);
  EXPECT_EQ(first_missing(live), kStart);
  live.drop_below(ChunkIndex{std::uint64_t{1} << 61});
  EXPECT_EQ(first_missing(live), ChunkIndex{std::uint64_t{1} << 61});
}

}  // namespace
}  // namespace runnel::swarm
