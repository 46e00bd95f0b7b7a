#include "node/live_beginning.hpp"

#include <gtest/gtest.h>

#include <set>

namespace runnel::node {
namespace {

using tree::ChunkIndex;

auto among(std::set<ChunkIndex> whole) {
  return [whole = std::move(whole)](ChunkIndex record) { return whole.contains(record); };
}

TEST(LiveBeginning, is_the_record_that_was_the_newest_when_it_is_whole) {
  LiveBeginning beginning;
  EXPECT_FALSE(beginning.from());
  beginning.named(ChunkIndex{320});
  beginning.named(ChunkIndex{640});
  EXPECT_EQ(beginning.from(), ChunkIndex{320});
  EXPECT_EQ(beginning.find(among({})), std::nullopt);
  EXPECT_EQ(beginning.find(among({ChunkIndex{320}, ChunkIndex{640}})), ChunkIndex{320});
}

TEST(LiveBeginning, is_a_later_one_that_is_whole_sooner) {
  LiveBeginning beginning;
  beginning.named(ChunkIndex{320});
  beginning.named(ChunkIndex{320});
  beginning.named(ChunkIndex{640});
  EXPECT_EQ(beginning.find(among({ChunkIndex{640}})), ChunkIndex{640});
}

TEST(LiveBeginning, never_goes_back) {
  LiveBeginning beginning;
  beginning.named(ChunkIndex{320});
  beginning.named(ChunkIndex{0});
  EXPECT_EQ(beginning.find(among({ChunkIndex{0}})), std::nullopt);
}

TEST(LiveBeginning, remembers_the_newest_of_many) {
  LiveBeginning beginning;
  for (std::uint64_t i = 0; i < 2 * LiveBeginning::kMaxRecords; ++i) beginning.named(ChunkIndex{i});
  std::size_t asked = 0;
  EXPECT_FALSE(beginning.find([&](ChunkIndex record) {
    EXPECT_GE(record.value(), LiveBeginning::kMaxRecords);
    ++asked;
    return false;
  }));
  EXPECT_EQ(asked, LiveBeginning::kMaxRecords);
}

}  // namespace
}  // namespace runnel::node
