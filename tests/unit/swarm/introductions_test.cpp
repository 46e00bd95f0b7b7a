#include "core/swarm/introductions.hpp"

#include <gtest/gtest.h>

namespace runnel::swarm {
namespace {

constexpr base::Time kNow{std::chrono::seconds{100}};

TEST(Introductions, each_is_asked_for_once_in_a_while_and_no_two_at_once) {
  Introductions introductions;
  EXPECT_FALSE(introductions.ask(kNobody, kNow));
  EXPECT_TRUE(introductions.ask(NodeTag{7}, kNow));
  EXPECT_FALSE(introductions.ask(NodeTag{8}, kNow)) << "not in one breath";
  EXPECT_TRUE(introductions.ask(NodeTag{8}, kNow + Introductions::kApart));
  EXPECT_FALSE(introductions.ask(NodeTag{7}, kNow + Introductions::kAgain - base::Duration{1}));
  EXPECT_TRUE(introductions.ask(NodeTag{7}, kNow + Introductions::kAgain));
}

TEST(Introductions, are_remembered_for_a_while) {
  Introductions introductions;
  EXPECT_FALSE(introductions.asked(NodeTag{7}, kNow));
  ASSERT_TRUE(introductions.ask(NodeTag{7}, kNow));
  EXPECT_TRUE(introductions.asked(NodeTag{7}, kNow + Introductions::kRemembered - base::Duration{1}));
  EXPECT_FALSE(introductions.asked(NodeTag{7}, kNow + Introductions::kRemembered));
  ASSERT_TRUE(introductions.ask(NodeTag{7}, kNow + Introductions::kAgain));
  EXPECT_TRUE(introductions.asked(NodeTag{7}, kNow + Introductions::kAgain));
}

TEST(Introductions, so_many_are_remembered) {
  Introductions introductions;
  base::Time now = kNow;
  for (std::uint32_t i = 1; i <= Introductions::kMaxAsked; ++i, now += Introductions::kApart)
    EXPECT_TRUE(introductions.ask(NodeTag{i}, now));
  ASSERT_LT(now - kNow, Introductions::kAgain);
  EXPECT_FALSE(introductions.ask(NodeTag{1}, now));
  EXPECT_TRUE(introductions.ask(NodeTag{1000}, now));
  EXPECT_TRUE(introductions.ask(NodeTag{1}, now + Introductions::kApart)) << "it made room for the last one";
}

}  // namespace
}  // namespace runnel::swarm
