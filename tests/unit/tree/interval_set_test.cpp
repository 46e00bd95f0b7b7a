#include "core/tree/interval_set.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>

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
