#include "core/tree/interval_set.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "base/rng.hpp"

namespace runnel::tree {
namespace {

ChunkRange range(std::uint64_t first, std::uint64_t last) { return {ChunkIndex{first}, ChunkIndex{last}}; }

RC_GTEST_PROP(IntervalSet, agrees_with_a_plain_set, ()) {
  IntervalSet set;
  std::set<std::uint64_t> model;
  const auto steps = *rc::gen::container<std::vector<std::tuple<bool, unsigned, unsigned>>>(
      rc::gen::tuple(rc::gen::arbitrary<bool>(), rc::gen::inRange(0U, 60U), rc::gen::inRange(1U, 12U)));
  for (const auto& [insert, first, length] : steps) {
    const ChunkRange r = range(first, first + length - 1);
    std::uint64_t changed = 0;
    for (std::uint64_t i = first; i < first + length; ++i) changed += insert ? model.insert(i).second : model.erase(i);
    RC_ASSERT((insert ? set.insert(r) : set.erase(r)) == changed);
    RC_ASSERT(set.count() == model.size());
    std::size_t runs = 0;
    for (const std::uint64_t i : model) runs += !model.contains(i - 1);
    RC_ASSERT(set.ranges() == runs);
  }
  for (std::uint64_t i = 0; i < 75; ++i) {
    RC_ASSERT(set.contains(ChunkIndex{i}) == model.contains(i));
    const auto next = set.next_at(ChunkIndex{i});
    const auto it = model.lower_bound(i);
    RC_ASSERT(next.has_value() == (it != model.end()));
    if (next) RC_ASSERT(next->first.value() == *it);
    const auto gap = set.next_gap(ChunkIndex{i}, ChunkIndex{80});
    std::uint64_t expected = i;
    while (model.contains(expected)) ++expected;
    RC_ASSERT(gap->first.value() == expected);
    RC_ASSERT(gap->last.value() == 80 || model.contains(gap->last.value() + 1));
    RC_ASSERT(set.intersects(range(i, i + 3)) == (it != model.end() && *it <= i + 3));
  }
}

// Thousands of ranges, put in order and out of order, cut, and dropped from the front as a live window drops them.
TEST(IntervalSet, agrees_with_a_plain_set_over_many_pages) {
  constexpr std::uint64_t kSpan = 4'000;
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    base::Rng rng{seed};
    IntervalSet set;
    std::vector<bool> model(kSpan + 8);
    const auto check = [&] {
      std::vector<ChunkRange> runs;
      for (std::uint64_t i = 0; i < model.size(); ++i) {
        if (!model[i]) continue;
        if (!runs.empty() && runs.back().last.value() + 1 == i)
          runs.back().last = ChunkIndex{i};
        else
          runs.push_back(range(i, i));
      }
      ASSERT_EQ(set.list(), runs);
      ASSERT_EQ(set.ranges(), runs.size());
      ASSERT_EQ(set.newest(), runs.empty() ? std::nullopt : std::optional{runs.back().last});
      for (int look = 0; look < 50; ++look) {
        const std::uint64_t at = rng.below(kSpan);
        ASSERT_EQ(set.contains(ChunkIndex{at}), model[at]);
        const auto next = std::ranges::find_if(runs, [&](ChunkRange r) { return r.last.value() >= at; });
        ASSERT_EQ(set.next_at(ChunkIndex{at}).has_value(), next != runs.end());
      }
    };
    for (std::uint64_t i = 0; i < kSpan; i += 2) {
      set.insert(range(i, i));
      model[i] = true;
    }
    check();
    for (int step = 0; step < 20'000; ++step) {
      const std::uint64_t first = rng.below(kSpan);
      const std::uint64_t last = first + rng.below(rng.below(100) == 0 ? 400 : 3);
      const bool insert = rng.below(2) == 0;
      std::uint64_t changed = 0;
      for (std::uint64_t i = first; i <= std::min<std::uint64_t>(last, model.size() - 1); ++i) {
        changed += model[i] != insert;
        model[i] = insert;
      }
      const ChunkRange r = range(first, std::min<std::uint64_t>(last, model.size() - 1));
      ASSERT_EQ(insert ? set.insert(r) : set.erase(r), changed);
      if (step % 1'000 == 999) check();
    }
    for (std::uint64_t front = 0; front < kSpan; front += 37) {
      set.erase_below(ChunkIndex{front});
      std::fill(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(front), false);
      check();
    }
    set.clear();
    EXPECT_TRUE(set.empty());
    EXPECT_EQ(set.ranges(), 0U);
  }
}

// A window that slides for hours, in which what comes is put between others: what has gone does not pile up.
TEST(IntervalSet, a_sliding_window_keeps_what_it_holds) {
  IntervalSet set;
  for (std::uint64_t i = 1; i < 100'000; ++i) {
    set.insert(range(10 * i + 4, 10 * i + 4));
    set.insert(range(10 * i, 10 * i));
    if (i > 20) set.erase_below(ChunkIndex{10 * (i - 20)});
    ASSERT_LE(set.ranges(), 42U);
    ASSERT_LE(set.bytes(), 16'384U);
  }
  EXPECT_EQ(set.count(), set.ranges());
  EXPECT_EQ(set.next_at(ChunkIndex{0})->first.value(), 10 * (99'999 - 20));
}

// Who claims many ranges, and then what is between them, leaves nothing but what it claims now.
TEST(IntervalSet, pages_of_which_little_is_left_give_their_memory_back) {
  constexpr std::uint64_t kPages = 1'000;
  constexpr std::uint64_t kStride = 1'000;
  IntervalSet set;
  for (std::uint64_t page = 0; page < kPages; ++page) {
    for (std::uint64_t i = 0; i < 64; ++i) set.insert(range(page * kStride + 2 * i, page * kStride + 2 * i));
    if (page > 0) set.insert(range((page - 1) * kStride, (page - 1) * kStride + 126));
  }
  ASSERT_EQ(set.ranges(), kPages - 1 + 64);
  EXPECT_LT(set.bytes(), 128 * set.ranges());
}

TEST(IntervalSet, names_the_biggest_interval) {
  IntervalSet set;
  set.insert(range(3, 5));
  set.insert(range(6, 9));
  set.insert(range(20, 21));
  EXPECT_EQ(set.interval_of(ChunkIndex{4}), range(3, 9));
  EXPECT_EQ(set.interval_of(ChunkIndex{10}), std::nullopt);
  EXPECT_EQ(set.newest(), ChunkIndex{21});
  set.erase_below(ChunkIndex{8});
  EXPECT_EQ(set.interval_of(ChunkIndex{8}), range(8, 9));
}

}  // namespace
}  // namespace runnel::tree
