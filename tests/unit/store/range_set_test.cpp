#include "store/range_set.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace runnel::store {
namespace {

using tree::ChunkIndex;
using tree::ChunkRange;

ChunkRange range(std::uint64_t first, std::uint64_t last) { return {ChunkIndex{first}, ChunkIndex{last}}; }

RC_GTEST_PROP(RangeSetProperty, behaves_as_a_set_of_indices, ()) {
  RangeSet ranges;
  std::set<std::uint64_t> model;
  const auto steps = *rc::gen::container<std::vector<std::tuple<bool, std::uint8_t, std::uint8_t>>>(
      rc::gen::tuple(rc::gen::weightedElement<bool>({{3, true}, {1, false}}), rc::gen::inRange<std::uint8_t>(0, 60),
                     rc::gen::inRange<std::uint8_t>(0, 12)));
  for (const auto& [insert, first, length] : steps) {
    const ChunkRange r = range(first, first + std::uint64_t{length});
    for (std::uint64_t i = r.first.value(); i <= r.last.value(); ++i)
      insert ? static_cast<void>(model.insert(i)) : static_cast<void>(model.erase(i));
    insert ? ranges.insert(r) : ranges.erase(r);
  }
  RC_ASSERT(ranges.count() == model.size());
  for (std::uint64_t i = 0; i < 80; ++i) RC_ASSERT(ranges.contains(ChunkIndex{i}) == model.contains(i));
  std::uint64_t counted = 0;
  std::optional<ChunkRange> previous;
  for (const ChunkRange run : ranges.runs()) {
    counted += run.count();
    RC_ASSERT(run.valid());
    if (previous) RC_ASSERT(previous->last.value() + 1 < run.first.value());
    previous = run;
  }
  RC_ASSERT(counted == model.size());
}

TEST(RangeSet, clips_to_what_is_asked) {
  RangeSet ranges;
  ranges.insert(range(5, 9));
  ranges.insert(range(20, 30));
  EXPECT_EQ(ranges.runs_within(range(8, 21)), (std::vector<ChunkRange>{range(8, 9), range(20, 21)}));
  EXPECT_TRUE(ranges.overlaps(range(0, 5)));
  EXPECT_FALSE(ranges.overlaps(range(10, 19)));
  EXPECT_TRUE(ranges.contains(range(20, 30)));
  EXPECT_FALSE(ranges.contains(range(9, 20)));
}

}  // namespace
}  // namespace runnel::store
