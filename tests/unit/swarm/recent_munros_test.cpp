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

}  // namespace
}  // namespace runnel::swarm
