#include "core/swarm/fresh_chunks.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace runnel::swarm {
namespace {

using tree::ChunkIndex;

RC_GTEST_PROP(FreshChunks, are_all_told_once_and_in_order, ()) {
  FreshChunks fresh;
  for (int round = 0; round < 2; ++round) {
    const auto added = *rc::gen::unique<std::vector<std::uint64_t>>(rc::gen::inRange<std::uint64_t>(0, 40));
    for (const std::uint64_t index : added) fresh.add({ChunkIndex{index}, ChunkIndex{index}});
    RC_ASSERT(fresh.count() == added.size());
    RC_ASSERT(fresh.empty() == added.empty());
    std::vector<std::uint64_t> told;
    fresh.take([&](tree::ChunkRange range) {
      for (std::uint64_t i = range.first.value(); i <= range.last.value(); ++i) told.push_back(i);
    });
    const std::set<std::uint64_t> expected(added.begin(), added.end());
    RC_ASSERT(told == std::vector<std::uint64_t>(expected.begin(), expected.end()));
    RC_ASSERT(fresh.empty());
  }
}

TEST(FreshChunks, neighbours_are_one_range) {
  FreshChunks fresh;
  fresh.add({ChunkIndex{3}, ChunkIndex{5}});
  fresh.add({ChunkIndex{6}, ChunkIndex{6}});
  std::vector<tree::ChunkRange> told;
  fresh.take([&](tree::ChunkRange range) { told.push_back(range); });
  EXPECT_EQ(told, (std::vector{tree::ChunkRange{ChunkIndex{3}, ChunkIndex{6}}}));
}

}  // namespace
}  // namespace runnel::swarm
