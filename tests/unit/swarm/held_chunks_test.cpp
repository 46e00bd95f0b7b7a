#include "core/swarm/held_chunks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runnel::swarm {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using tree::ChunkIndex;

constexpr base::Time kStart{std::chrono::seconds{100}};
constexpr std::uint64_t kGroup = 32;

base::Bytes bytes_of(std::uint64_t index) { return base::Bytes(8, static_cast<std::byte>(index)); }

std::vector<std::uint64_t> indices(const std::vector<HeldChunks::Held>& held) {
  std::vector<std::uint64_t> all;
  for (const auto& one : held) all.push_back(one.index.value());
  return all;
}

TEST(HeldChunks, gives_back_what_lies_in_a_range_oldest_first_and_keeps_the_rest) {
  HeldChunks held;
  for (const std::uint64_t i : {40U, 3U, 5U, 70U, 4U}) ASSERT_TRUE(held.add(ChunkIndex{i}, bytes_of(i), kStart));
  const auto taken = held.take({ChunkIndex{0}, ChunkIndex{31}});
  EXPECT_THAT(indices(taken), ElementsAre(3, 5, 4));
  EXPECT_EQ(taken[1].payload, bytes_of(5));
  EXPECT_THAT(indices(held.take_all()), ElementsAre(40, 70));
  EXPECT_TRUE(held.empty());
}

TEST(HeldChunks, holds_64_and_none_twice) {
  HeldChunks held;
  for (std::uint64_t i = 0; i < HeldChunks::kMaxChunks; ++i) {
    ASSERT_TRUE(held.add(ChunkIndex{i}, bytes_of(i), kStart));
    ASSERT_FALSE(held.add(ChunkIndex{i}, bytes_of(i), kStart));
  }
  EXPECT_FALSE(held.add(ChunkIndex{HeldChunks::kMaxChunks}, bytes_of(1), kStart));
  EXPECT_EQ(held.take({ChunkIndex{7}, ChunkIndex{7}}).size(), 1U);
  EXPECT_TRUE(held.add(ChunkIndex{HeldChunks::kMaxChunks}, bytes_of(1), kStart));
}

TEST(HeldChunks, lets_go_what_waited_too_long) {
  HeldChunks held;
  ASSERT_TRUE(held.add(ChunkIndex{1}, bytes_of(1), kStart));
  ASSERT_TRUE(held.add(ChunkIndex{2}, bytes_of(2), kStart + milliseconds{100}));
  EXPECT_THAT(held.take_expired(kStart + HeldChunks::kLongest - base::Duration{1}), IsEmpty());
  EXPECT_THAT(held.take_expired(kStart + HeldChunks::kLongest), ElementsAre(ChunkIndex{1}));
  EXPECT_THAT(indices(held.take_all()), ElementsAre(2));
}

TEST(HeldChunks, has_one_chunk_of_a_group_asked_for_again_and_only_once) {
  HeldChunks held;
  for (const std::uint64_t i : {33U, 34U, 5U}) ASSERT_TRUE(held.add(ChunkIndex{i}, bytes_of(i), kStart));
  EXPECT_THAT(held.ask_again(kGroup, kStart + HeldChunks::kReorder - base::Duration{1}), IsEmpty()) << "it may only be late";
  EXPECT_THAT(held.ask_again(kGroup, kStart + HeldChunks::kReorder), ElementsAre(ChunkIndex{33}, ChunkIndex{5}));
  ASSERT_TRUE(held.add(ChunkIndex{35}, bytes_of(35), kStart + milliseconds{20}));
  EXPECT_THAT(held.ask_again(kGroup, kStart + milliseconds{100}), IsEmpty());
}

}  // namespace
}  // namespace runnel::swarm
