#include "core/swarm/pull_budget.hpp"

#include <gtest/gtest.h>

namespace runnel::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const base::Time kNow{seconds{1000}};

TEST(PullBudget, a_newcomer_may_ask_for_a_record_at_once_and_little_once_push_brings_the_rest) {
  const PullBudget budget;
  EXPECT_EQ(budget.room(0, false, kNow), PullBudget::kMost);
  EXPECT_EQ(budget.room(100, false, kNow), PullBudget::kMost - 100);
  EXPECT_EQ(budget.room(PullBudget::kMost + 5, false, kNow), 0);
  EXPECT_EQ(budget.room(0, true, kNow), PullBudget::kMostBesidePush);
}

TEST(PullBudget, who_is_refused_pauses_and_asks_for_less) {
  PullBudget budget;
  budget.refused(0.5, kNow);
  EXPECT_EQ(budget.room(0, false, kNow), 0);
  EXPECT_EQ(budget.room(0, false, kNow + PullBudget::kLeastPause), PullBudget::kMost * 3 / 4);
}

TEST(PullBudget, refusals_of_one_moment_count_once) {
  PullBudget budget;
  for (int i = 0; i < 10; ++i) budget.refused(0.5, kNow + milliseconds{i});
  EXPECT_EQ(budget.room(0, false, kNow + PullBudget::kLeastPause), PullBudget::kMost * 3 / 4);
}

TEST(PullBudget, pauses_grow_to_a_limit_and_begin_anew_with_an_answer) {
  PullBudget budget;
  base::Time now = kNow;
  const auto pause = [&] {
    budget.refused(0.5, now);
    const base::Time from = now;
    while (budget.room(0, false, now) == 0) now += milliseconds{1};
    return now - from;
  };
  EXPECT_EQ(pause(), PullBudget::kLeastPause);
  EXPECT_EQ(pause(), 2 * PullBudget::kLeastPause);
  for (int i = 0; i < 10; ++i) EXPECT_LE(pause(), (1 << PullBudget::kMaxDoublings) * PullBudget::kLeastPause);
  EXPECT_EQ(pause(), (1 << PullBudget::kMaxDoublings) * PullBudget::kLeastPause);
  EXPECT_EQ(budget.room(0, false, now), PullBudget::kLeast);
  budget.answered();
  EXPECT_EQ(pause(), PullBudget::kLeastPause);
}

TEST(PullBudget, answers_open_it_again_as_far_as_it_goes) {
  PullBudget budget;
  for (int i = 0; i < 10; ++i) budget.refused(0.5, kNow + i * seconds{1});
  for (int i = 0; i < 10'000; ++i) budget.answered();
  EXPECT_EQ(budget.room(0, false, kNow + seconds{20}), PullBudget::kMost);
}

}  // namespace
}  // namespace runnel::swarm
