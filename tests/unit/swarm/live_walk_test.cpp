#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "core/swarm/live_walk.hpp"
#include "core/tree/munro.hpp"
#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using base::Time;
using test::range;
using test::ranges;
using tree::ChunkIndex;
using tree::ChunkRange;
using tree::IntervalSet;

const Time kNow{std::chrono::seconds{1'000}};
const IntervalSet kNothing;
constexpr ChunkIndex kStart{0};
constexpr std::uint32_t kMunro = tree::kDefaultMunroWidth;

// A window of a minute with a record of three chunks every 66 ms.
constexpr std::uint64_t kRecords = 900;
constexpr std::uint64_t kBetween = 544;
IntervalSet whole_window() {
  IntervalSet set;
  for (std::uint64_t record = 0; record < kRecords; ++record) set.insert(range(record * kBetween, record * kBetween + 2));
  return set;
}

std::vector<ChunkRange> all_of(LiveWalk& walk) {
  std::vector<ChunkRange> found;
  while (const auto run = walk.next()) found.push_back(*run);
  return found;
}

TEST(LiveWalk, goes_through_what_is_wanted_and_shown_oldest_first_and_a_munro_at_a_time) {
  LivePicker picker{1, kMunro};
  picker.seen(range(10, 100), kNothing, kNow);
  const IntervalSet a = ranges({range(70, 200)});
  const IntervalSet b = ranges({range(0, 20), range(40, 41)});
  ShownMark mark_a;
  ShownMark mark_b;
  LiveWalk walk{picker, 4};
  walk.add(a, mark_a, kStart);
  walk.add(b, mark_b, kStart);
  EXPECT_EQ(all_of(walk), (std::vector{range(10, 31), range(40, 63), range(70, 95), range(96, 100)}));
}

TEST(LiveWalk, begins_where_it_is_told_and_leaves_the_marks_where_something_is_to_be_had) {
  LivePicker picker{1, kMunro};
  picker.seen(range(0, 127), kNothing, kNow);
  const IntervalSet shown = ranges({range(32, 127)});
  ShownMark mark;
  LiveWalk walk{picker, 4};
  walk.add(shown, mark, ChunkIndex{96});
  EXPECT_EQ(all_of(walk), std::vector{range(96, 127)});
  EXPECT_EQ(mark.at, ChunkIndex{32});
}

TEST(LiveWalk, who_may_not_be_asked_any_more_is_left_out) {
  LivePicker picker{1, kMunro};
  picker.seen(range(0, 127), kNothing, kNow);
  const IntervalSet all = ranges({range(0, 127)});
  const IntervalSet end = ranges({range(96, 127)});
  ShownMark mark_all;
  ShownMark mark_end;
  LiveWalk walk{picker, 4};
  const std::size_t first = walk.add(all, mark_all, kStart);
  walk.add(end, mark_end, kStart);
  EXPECT_EQ(walk.next(), range(0, 31));
  walk.leave(first);
  EXPECT_EQ(walk.next(), range(96, 127));
  EXPECT_EQ(walk.next(), std::nullopt);
}

TEST(LiveWalk, what_liars_claim_costs_who_is_honest_no_step) {
  const IntervalSet window = whole_window();
  LivePicker picker{1, kMunro};
  // A liar claims everything, also where the stream has gaps, and an hour more; what exists is all here.
  picker.seen(range(0, kRecords * kBetween + 3'600 * 8'192), window, kNow);
  ShownMark mark;
  LiveWalk first{picker, 4};
  first.add(window, mark, kStart);
  EXPECT_EQ(first.next(), std::nullopt) << "nobody who may be asked shows a thing that is missing";
  EXPECT_LE(first.leaps(), kRecords);
  for (int walks = 0; walks < 1'000; ++walks) {
    LiveWalk again{picker, 4};
    again.add(window, mark, kStart);
    EXPECT_EQ(again.next(), std::nullopt);
    EXPECT_EQ(again.leaps(), 0U) << "what was passed over once is not passed over again";
  }
}

TEST(LiveWalk, the_next_record_is_found_behind_all_claims) {
  IntervalSet window = whole_window();
  LivePicker picker{1, kMunro};
  picker.seen(range(0, kRecords * kBetween + 10 * 8'192), window, kNow);
  ShownMark mark;
  {
    LiveWalk walk{picker, 4};
    walk.add(window, mark, kStart);
    EXPECT_EQ(walk.next(), std::nullopt);
  }
  window.insert(range(kRecords * kBetween, kRecords * kBetween + 2));   // the source shows one more
  mark.back_to(ChunkIndex{kRecords * kBetween});
  LiveWalk walk{picker, 4};
  walk.add(window, mark, kStart);
  EXPECT_EQ(walk.next()->first, ChunkIndex{kRecords * kBetween});
  EXPECT_LE(walk.leaps(), 1U);
}

TEST(LiveWalk, rests_when_its_leaps_are_used_up_and_the_next_one_goes_on) {
  IntervalSet crumbs;
  for (std::uint64_t i = 0; i < 2 * LiveWalk::kMaxLeaps; ++i) crumbs.insert(range(2 * i, 2 * i));
  IntervalSet shown;
  for (std::uint64_t i = 0; i < 2 * LiveWalk::kMaxLeaps; ++i) shown.insert(range(2 * i + 1, 2 * i + 1));
  constexpr ChunkIndex kLast{4 * LiveWalk::kMaxLeaps};
  crumbs.insert({kLast, kLast});
  shown.insert({kLast, kLast});
  LivePicker picker{1, kMunro};
  crumbs.for_each([&](ChunkRange crumb) { picker.seen(crumb, kNothing, kNow); });
  ShownMark mark;
  int walks = 0;
  for (bool found = false; !found; ++walks) {
    ASSERT_LT(walks, 4);
    LiveWalk walk{picker, 4};
    walk.add(shown, mark, kStart);
    found = walk.next() == std::optional{ChunkRange{kLast, kLast}};
    EXPECT_LE(walk.leaps(), LiveWalk::kMaxLeaps);
  }
  EXPECT_GT(walks, 1);
}

RC_GTEST_PROP(LiveWalk, finds_what_a_plain_search_finds_however_the_sets_change, ()) {
  constexpr std::uint64_t kWidth = 8;
  constexpr std::uint64_t kEnd = 200;
  LivePicker picker{1, kWidth};
  std::set<std::uint64_t> unasked;
  std::vector<IntervalSet> shown(3);
  std::vector<ShownMark> marks(shown.size());
  // As Swarm does: whoever shows a chunk that becomes wanted looks for it again.
  const auto back = [&](ChunkRange r) {
    for (std::size_t peer = 0; peer < shown.size(); ++peer) {
      if (shown[peer].intersects(r)) marks[peer].back_to(r.first);
    }
  };
  for (int steps = *rc::gen::inRange(1, 40); steps > 0; --steps) {
    const auto first = *rc::gen::inRange<std::uint64_t>(0, kEnd);
    const ChunkRange r = range(first, first + *rc::gen::inRange<std::uint64_t>(0, 30));
    switch (*rc::gen::inRange(0, 3)) {
      case 0: {
        const auto peer = *rc::gen::inRange<std::size_t>(0, shown.size());
        shown[peer].insert(r);
        marks[peer].back_to(r.first);
        for (const ChunkRange& fresh : picker.seen(r, kNothing, kNow)) {
          back(fresh);
          for (std::uint64_t i = fresh.first.value(); i <= fresh.last.value(); ++i) unasked.insert(i);
        }
        break;
      }
      case 1:
        picker.asked(r);
        std::erase_if(unasked, [&](std::uint64_t i) { return r.contains(ChunkIndex{i}); });
        break;
      case 2:
        picker.returned(r);
        back(r);
        for (std::uint64_t i = r.first.value(); i <= r.last.value(); ++i) {
          if (picker.missing().contains(ChunkIndex{i})) unasked.insert(i);
        }
        break;
    }
    std::vector<ChunkRange> expected;
    for (std::uint64_t i = 0; i < 2 * kEnd; ++i) {
      if (!expected.empty() && expected.back().contains(ChunkIndex{i})) continue;
      if (!unasked.contains(i) || std::ranges::none_of(shown, [&](const IntervalSet& s) { return s.contains(ChunkIndex{i}); })) continue;
      std::uint64_t last = i;
      while (unasked.contains(last + 1) && (last + 1) % kWidth != 0) ++last;
      expected.push_back(range(i, last));
    }
    LiveWalk walk{picker, 4};
    for (std::size_t peer = 0; peer < shown.size(); ++peer) walk.add(shown[peer], marks[peer], kStart);
    RC_ASSERT(all_of(walk) == expected);
  }
}

}  // namespace
}  // namespace runnel::swarm
