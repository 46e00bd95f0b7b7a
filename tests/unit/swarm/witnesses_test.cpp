#include "core/swarm/witnesses.hpp"

#include <gtest/gtest.h>

#include <array>

#include "core/swarm/experience.hpp"

namespace runnel::swarm {
namespace {

using std::chrono::seconds;

constexpr base::Time kNow{seconds{5000}};
constexpr std::size_t kTree = 3;
constexpr NodeTag kGiver{901};
constexpr NodeTag kLiar{902};

Roots by_way_of(NodeTag root) {
  Roots roots;
  roots.roots.fill(root);
  return roots;
}

TEST(Witnesses, who_has_nobody_below_is_idle_when_others_are_fed) {
  Witnesses witnesses;
  for (std::uint32_t i = 1; i < Witnesses::kFewest; ++i) witnesses.on_roots(PeerKey{i}, NodeTag{i}, by_way_of(kGiver), kNow);
  EXPECT_FALSE(witnesses.idle(kTree, kLiar, kNow)) << "too few to tell";
  witnesses.on_roots(PeerKey{Witnesses::kFewest}, NodeTag{Witnesses::kFewest}, by_way_of(kNobody), kNow);
  EXPECT_TRUE(witnesses.idle(kTree, kLiar, kNow));
  EXPECT_FALSE(witnesses.idle(kTree, kGiver, kNow));
}

TEST(Witnesses, one_in_four_below_is_enough_and_less_is_not) {
  Witnesses witnesses;
  for (std::uint32_t i = 1; i <= 4; ++i) witnesses.on_roots(PeerKey{i}, NodeTag{i}, by_way_of(i == 1 ? kLiar : kGiver), kNow);
  EXPECT_FALSE(witnesses.idle(kTree, kLiar, kNow));
  witnesses.on_roots(PeerKey{5}, NodeTag{5}, by_way_of(kGiver), kNow);
  EXPECT_TRUE(witnesses.idle(kTree, kLiar, kNow));
}

TEST(Witnesses, neither_a_childs_own_word_counts_nor_that_of_others_of_the_sources_children) {
  Witnesses witnesses;
  witnesses.on_roots(PeerKey{900}, kLiar, by_way_of(kLiar), kNow);
  witnesses.on_roots(PeerKey{901}, kGiver, by_way_of(kGiver), kNow);
  for (std::uint32_t i = 1; i < Witnesses::kFewest; ++i) witnesses.on_roots(PeerKey{i}, NodeTag{i}, by_way_of(kGiver), kNow);
  EXPECT_FALSE(witnesses.idle(kTree, kLiar, kNow)) << "two who can tell";
}

TEST(Witnesses, what_was_said_long_ago_or_by_who_is_gone_is_forgotten) {
  Witnesses witnesses;
  for (std::uint32_t i = 1; i <= 4; ++i) witnesses.on_roots(PeerKey{i}, NodeTag{i}, by_way_of(kGiver), kNow);
  witnesses.forget(PeerKey{1});
  EXPECT_TRUE(witnesses.idle(kTree, kLiar, kNow));
  witnesses.forget(PeerKey{2});
  EXPECT_FALSE(witnesses.idle(kTree, kLiar, kNow));
  for (std::uint32_t i = 1; i <= 4; ++i) witnesses.on_roots(PeerKey{i}, NodeTag{i}, by_way_of(kGiver), kNow);
  EXPECT_FALSE(witnesses.idle(kTree, kLiar, kNow + 4 * Witnesses::kReportEach));
}

TEST(Witnesses, a_tree_is_dead_where_fewer_than_one_in_four_have_it_by_the_sources_children) {
  constexpr std::array kChildren{kGiver, kLiar};
  Witnesses witnesses;
  for (std::uint32_t i = 1; i < Witnesses::kFewest; ++i) witnesses.on_roots(PeerKey{i}, NodeTag{i}, by_way_of(kNobody), kNow);
  EXPECT_FALSE(witnesses.dead(kTree, kChildren, kNow)) << "too few to tell";
  for (std::uint32_t i = 1; i <= 5; ++i) witnesses.on_roots(PeerKey{i}, NodeTag{i}, by_way_of(i < 3 ? NodeTag{77} : kNobody), kNow);
  EXPECT_TRUE(witnesses.dead(kTree, kChildren, kNow)) << "who is fed by others goes round and round";
  witnesses.on_roots(PeerKey{901}, kGiver, by_way_of(kGiver), kNow);
  EXPECT_TRUE(witnesses.dead(kTree, kChildren, kNow)) << "who is fed by the source itself does not count";
  witnesses.on_roots(PeerKey{1}, NodeTag{1}, by_way_of(kGiver), kNow);
  witnesses.on_roots(PeerKey{2}, NodeTag{2}, by_way_of(kLiar), kNow);
  ASSERT_TRUE(witnesses.idle(kTree, kGiver, kNow) && witnesses.idle(kTree, kLiar, kNow));
  EXPECT_FALSE(witnesses.dead(kTree, kChildren, kNow)) << "two in five, by both together";
  EXPECT_FALSE(witnesses.dead(kTree, kChildren, kNow + 4 * Witnesses::kReportEach));
}

TEST(Witnesses, so_many_are_heard) {
  Witnesses witnesses;
  for (std::uint32_t i = 1; i <= Witnesses::kMaxWitnesses; ++i) witnesses.on_roots(PeerKey{i}, NodeTag{i}, by_way_of(kGiver), kNow);
  for (std::uint32_t i = 1; i <= Witnesses::kMaxWitnesses; ++i)
    witnesses.on_roots(PeerKey{10'000 + i}, NodeTag{10'000 + i}, by_way_of(kLiar), kNow);
  EXPECT_TRUE(witnesses.idle(kTree, kLiar, kNow)) << "the later half found no place";
}

// ---- experience -----------------------------------------------------------------------------------------------------

TEST(Experience, who_accepts_and_gives_nothing_costs_more_each_time_until_it_gives) {
  Experience experience;
  EXPECT_TRUE(experience.believed(PeerKey{1}, kNow));
  EXPECT_EQ(experience.cost(PeerKey{1}), base::Duration{});
  experience.gave_nothing(PeerKey{1});
  const base::Duration once = experience.cost(PeerKey{1});
  experience.gave_nothing(PeerKey{1});
  EXPECT_EQ(experience.cost(PeerKey{1}), 2 * once);
  EXPECT_FALSE(experience.believed(PeerKey{1}, kNow));
  for (int i = 0; i < 100; ++i) experience.gave_nothing(PeerKey{1});
  EXPECT_LE(experience.cost(PeerKey{1}), 8 * once);
  experience.gave(PeerKey{1});
  EXPECT_TRUE(experience.believed(PeerKey{1}, kNow));
  EXPECT_EQ(experience.cost(PeerKey{1}), base::Duration{});
}

TEST(Experience, who_stands_idle_again_is_not_believed_for_twice_as_long) {
  Experience experience;
  experience.stood_idle(PeerKey{1}, kNow);
  experience.stood_idle(PeerKey{1}, kNow);   // in another tree
  EXPECT_FALSE(experience.believed(PeerKey{1}, kNow + Experience::kIdleFor - seconds{1}));
  EXPECT_TRUE(experience.believed(PeerKey{1}, kNow + Experience::kIdleFor));
  const base::Time later = kNow + Experience::kIdleFor;
  experience.stood_idle(PeerKey{1}, later);
  EXPECT_FALSE(experience.believed(PeerKey{1}, later + 2 * Experience::kIdleFor - seconds{1}));
  EXPECT_TRUE(experience.believed(PeerKey{1}, later + 2 * Experience::kIdleFor));
  experience.forget(PeerKey{1});
  EXPECT_TRUE(experience.believed(PeerKey{1}, kNow));
}

}  // namespace
}  // namespace runnel::swarm
