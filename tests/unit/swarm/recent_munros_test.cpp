#include "core/swarm/recent_munros.hpp"

#include <gtest/gtest.h>

namespace runnel::swarm {
namespace {

constexpr base::Time kNow{std::chrono::seconds{100}};

TEST(RecentMunros, a_munro_is_whole_when_it_is_proved_and_all_its_chunks_are_here) {
  RecentMunros munros;
  EXPECT_TRUE(munros.add(chunk_of(7, 1), kNow));
  EXPECT_FALSE(munros.add(chunk_of(7, 1), kNow)) << "twice";
  EXPECT_FALSE(munros.find(7)->whole()) << "nobody knows how many chunks it has";
  EXPECT_EQ(munros.find(7)->missing(), 0U);
  EXPECT_TRUE(munros.prove(7, 2, kNow));
  EXPECT_FALSE(munros.prove(7, 2, kNow));
  EXPECT_EQ(munros.find(7)->missing(), 1U);
  EXPECT_TRUE(munros.add(chunk_of(7, 0), kNow));
  EXPECT_TRUE(munros.find(7)->whole());
  EXPECT_TRUE(munros.has(chunk_of(7, 0)));
  EXPECT_FALSE(munros.has(chunk_of(8, 0)));
  EXPECT_TRUE(munros.add(chunk_of(9, 31), kNow));
  EXPECT_EQ(munros.have_map(0), (MunroMap{{{7, true, 0}, {9, false, 0x8000'0000}}}));
  EXPECT_EQ(munros.have_map(8), (MunroMap{{{9, false, 0x8000'0000}}}));
}

TEST(RecentMunros, keeps_the_newest_and_little_hearsay) {
  RecentMunros munros;
  for (std::uint64_t i = 0; i < RecentMunros::kMaxUnproved; ++i) EXPECT_NE(munros.note(1000 + i, kNow), nullptr);
  EXPECT_EQ(munros.note(5000, kNow), nullptr) << "as much hearsay as may be";
  EXPECT_TRUE(munros.prove(5000, 3, kNow)) << "what is signed finds room";
  for (std::uint64_t i = 0; i < 2 * RecentMunros::kMaxMunros; ++i) munros.prove(6000 + i, 1, kNow);
  EXPECT_EQ(munros.all().size(), RecentMunros::kMaxMunros);
  EXPECT_EQ(munros.all().begin()->first, 6000 + RecentMunros::kMaxMunros);
  EXPECT_FALSE(munros.prove(6000, 1, kNow)) << "older than all that are kept";
  EXPECT_NE(munros.note(9000, kNow), nullptr) << "the hearsay has gone with the old ones";
}

TEST(RecentMunros, what_is_older_than_a_proved_one_is_so_by_what_their_indices_say) {
  constexpr std::uint64_t kSecond = kLiveIndicesPerSecond / kPushMunroWidth;
  constexpr base::Duration kOne = std::chrono::seconds{1};
  RecentMunros munros;
  munros.note(10 * kSecond, kNow);
  EXPECT_EQ(munros.age(8 * kSecond, kNow), base::Duration{}) << "hearsay makes nothing old";
  munros.prove(10 * kSecond, 3, kNow);
  EXPECT_EQ(munros.age(8 * kSecond, kNow), 2 * kOne);
  munros.note(8 * kSecond, kNow + kOne);
  munros.prove(7 * kSecond, 3, kNow + kOne);
  EXPECT_EQ(munros.age(8 * kSecond, kNow + kOne), 3 * kOne) << "however late we hear of it";
  EXPECT_EQ(munros.age(7 * kSecond, kNow + kOne), 4 * kOne);
  EXPECT_EQ(munros.age(11 * kSecond, kNow + kOne), base::Duration{}) << "newer than all";
}

TEST(RecentMunros, names_chunk_by_chunk_for_those_who_lack_the_bundles) {
  RecentMunros munros;
  munros.prove(7, 2, kNow);
  munros.add(chunk_of(7, 0), kNow);
  munros.add(chunk_of(7, 1), kNow);
  EXPECT_EQ(munros.have_map(0), (MunroMap{{{7, true, 0}}}));
  EXPECT_EQ(munros.have_map(0, true), (MunroMap{{{7, false, 3}}}));
}

}  // namespace
}  // namespace runnel::swarm
