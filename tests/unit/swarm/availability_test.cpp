#include "core/swarm/availability.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <vector>

#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using test::range;
using tree::ChunkIndex;

TEST(Availability, only_what_was_not_told_before_is_news) {
  Availability peer;
  EXPECT_EQ(peer.add(range(10, 19)), 10U);
  EXPECT_EQ(peer.add(range(10, 19)), 0U);
  EXPECT_EQ(peer.add(range(15, 24)), 5U);
  EXPECT_TRUE(peer.has(range(10, 24)));
  EXPECT_FALSE(peer.has(range(10, 25)));
  EXPECT_TRUE(peer.has_any(range(24, 100)));
  EXPECT_FALSE(peer.has_any(range(25, 100)));
}

TEST(Availability, what_is_forgotten_can_be_news_again) {
  Availability peer;
  peer.add(range(0, 99));
  peer.forget(range(10, 19));
  EXPECT_FALSE(peer.has_any(range(10, 19)));
  EXPECT_EQ(peer.add(range(0, 99)), 10U);
  peer.drop_below(ChunkIndex{50});
  EXPECT_FALSE(peer.has_any(range(0, 49)));
  EXPECT_TRUE(peer.has(range(50, 99)));
}

// RFC 7574 6.2.
TEST(Availability, a_peer_holds_no_more_than_its_window) {
  Availability peer;
  peer.set_window(100);
  peer.add(range(0, 99));
  EXPECT_TRUE(peer.has(range(0, 99))) << "exactly the window";
  peer.add(range(100, 100));
  EXPECT_FALSE(peer.has_any(range(0, 0)));
  EXPECT_TRUE(peer.has(range(1, 100)));
  peer.add(range(1'000, 5'000));
  EXPECT_TRUE(peer.has(range(4'901, 5'000)));
  EXPECT_EQ(peer.set().count(), 100U);
}

TEST(Availability, what_lies_behind_the_window_is_no_news) {
  Availability peer;
  peer.set_window(100);
  peer.add(range(900, 999));
  EXPECT_EQ(peer.add(range(500, 599)), 0U);
  EXPECT_EQ(peer.add(range(800, 949)), 0U);
  EXPECT_EQ(peer.add(range(0, 1'009)), 10U);
  EXPECT_EQ(peer.set().count(), 100U);
}

RC_GTEST_PROP(Availability, agrees_with_a_plain_set_behind_a_window, ()) {
  const auto window = *rc::gen::inRange<std::uint64_t>(1, 60);
  Availability peer;
  peer.set_window(window);
  std::set<std::uint64_t> model;
  const auto adds =
      *rc::gen::container<std::vector<std::pair<unsigned, unsigned>>>(rc::gen::pair(rc::gen::inRange(0U, 200U), rc::gen::inRange(0U, 40U)));
  for (const auto& [first, more] : adds) {
    const std::set<std::uint64_t> before = model;
    for (std::uint64_t i = first; i <= first + more; ++i) model.insert(i);
    const std::uint64_t newest = *model.rbegin();
    std::erase_if(model, [&](std::uint64_t i) { return i + window <= newest; });
    std::uint64_t news = 0;
    for (const std::uint64_t i : model) news += before.contains(i) ? 0U : 1U;
    RC_ASSERT(peer.add(range(first, first + more)) == news);
    RC_ASSERT(peer.set() == test::chunks(model));
  }
}

TEST(Availability, of_crumbs_no_more_than_the_limit_are_believed) {
  Availability peer;
  for (std::uint64_t i = 0; i < Availability::kMaxRanges; ++i) ASSERT_EQ(peer.add(range(i * 2, i * 2)), 1U);
  ASSERT_EQ(peer.set().ranges(), Availability::kMaxRanges);
  EXPECT_EQ(peer.add(range(1'000'000, 1'000'010)), 0U) << "one more than the limit";
  EXPECT_FALSE(peer.has_any(range(1'000'000, 1'000'010)));
  EXPECT_EQ(peer.add(range(0, 2)), 1U) << "what joins ranges is welcome";
  EXPECT_EQ(peer.add(range(1'000'000, 1'000'010)), 11U) << "now there is room";
  EXPECT_EQ(peer.set().ranges(), Availability::kMaxRanges);
}

}  // namespace
}  // namespace runnel::swarm
