#include "core/swarm/push_queue.hpp"

#include <gtest/gtest.h>

namespace runnel::swarm {
namespace {

constexpr base::Time kNow{std::chrono::seconds{100}};
constexpr PeerKey kA{1};
constexpr PeerKey kB{2};

Send send(SendClass what, std::uint64_t index, PeerKey to) { return {what, tree::ChunkIndex{index}, to, kNow}; }

TEST(PushQueue, bundles_leave_first_then_repair_then_the_oldest_chunks) {
  PushQueue queue{1000};
  for (const Send& s : {send(SendClass::push, 9, kA), send(SendClass::push, 5, kB), send(SendClass::push, 5, kA),
                        send(SendClass::repair, 20, kA), send(SendClass::bundle, 64, kB)})
    EXPECT_TRUE(queue.add(s));
  EXPECT_FALSE(queue.add(send(SendClass::push, 9, kA))) << "twice";
  std::vector<std::pair<SendClass, std::uint64_t>> order;
  while (const auto next = queue.pop(true)) order.emplace_back(next->what, next->index.value());
  using enum SendClass;
  EXPECT_EQ(order, (std::vector<std::pair<SendClass, std::uint64_t>>{{bundle, 64}, {repair, 20}, {push, 5}, {push, 5}, {push, 9}}));
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST(PushQueue, a_chunk_that_is_asked_for_again_need_not_be_pushed_as_well) {
  PushQueue queue{1000};
  queue.add(send(SendClass::push, 5, kA));
  queue.add(send(SendClass::repair, 5, kA));
  EXPECT_EQ(queue.size(), 1U);
  EXPECT_EQ(queue.bytes(), 1000U);
  queue.remove(kA, tree::ChunkIndex{5});
  EXPECT_TRUE(queue.empty());
}

TEST(PushQueue, what_a_peer_or_a_tree_needs_no_more_is_taken_out) {
  PushQueue queue{1000};
  const tree::ChunkIndex chunk{5};
  queue.add({SendClass::push, chunk, kA, kNow});
  queue.add({SendClass::push, chunk, kB, kNow});
  queue.forget_tree(kA, (tree_of(chunk) + 1) % kSubstreams);
  EXPECT_EQ(queue.size(), 2U);
  queue.forget_tree(kA, tree_of(chunk));
  EXPECT_EQ(queue.size(), 1U);
  queue.forget(kB);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST(PushQueue, one_peer_has_so_many_repairs_and_all_together_so_much) {
  PushQueue queue{1000};
  for (std::uint64_t i = 0; i < PushQueue::kMaxRepairs; ++i) EXPECT_TRUE(queue.add(send(SendClass::repair, i, kA)));
  EXPECT_FALSE(queue.add(send(SendClass::repair, 999, kA)));
  EXPECT_TRUE(queue.add(send(SendClass::repair, 999, kB)));
  while (queue.size() < PushQueue::kMaxQueued) ASSERT_TRUE(queue.add(send(SendClass::push, 10'000 + queue.size(), kA)));
  EXPECT_FALSE(queue.add(send(SendClass::push, 1, kA)));
  EXPECT_FALSE(queue.add(send(SendClass::bundle, 1, kA)));
}

TEST(PushQueue, what_is_pulled_leaves_last_and_is_counted_apart) {
  PushQueue queue{1000};
  EXPECT_TRUE(queue.add(send(SendClass::pull, 1, kA)));
  EXPECT_TRUE(queue.add(send(SendClass::push, 9, kA)));
  EXPECT_FALSE(queue.add(send(SendClass::pull, 9, kA))) << "it comes by itself";
  EXPECT_EQ(queue.bytes(), 1000U);
  EXPECT_EQ(queue.spare_bytes(), 1000U);
  EXPECT_EQ(queue.pop(true)->index, tree::ChunkIndex{9});
  EXPECT_EQ(queue.pop(true)->what, SendClass::pull);
  EXPECT_EQ(queue.spare_bytes(), 0U);
}

TEST(PushQueue, who_passes_chunks_on_comes_before_who_only_plays_and_who_can_wait_comes_after) {
  PushQueue queue{1000};
  using enum SendClass;
  for (const Send& s : {send(spare, 1, kA), send(push, 2, kA), send(onward, 3, kA), send(repair, 4, kA), send(pull, 0, kA)}) queue.add(s);
  EXPECT_FALSE(queue.add(send(spare, 2, kA))) << "it comes sooner";
  EXPECT_EQ(queue.bytes(), 3000U);
  EXPECT_EQ(queue.spare_bytes(), 2000U);
  std::vector<SendClass> order;
  while (const auto next = queue.pop(true)) order.push_back(next->what);
  EXPECT_EQ(order, (std::vector{repair, onward, push, spare, pull}));
  EXPECT_EQ(queue.spare_bytes(), 0U);
}

TEST(PushQueue, what_newcomers_begin_with_goes_ahead_in_turn_and_before_pull_otherwise) {
  PushQueue queue{1000};
  using enum SendClass;
  for (const Send& s :
       {send(welcome, 1, kA), send(welcome, 2, kA), send(welcome, 3, kA), send(bundle, 64, kA), send(push, 9, kA), send(pull, 0, kA)})
    queue.add(s);
  EXPECT_EQ(queue.welcome_bytes(), 3000U);
  EXPECT_EQ(queue.pop(false)->what, bundle);
  EXPECT_EQ(queue.pop(true)->what, welcome);
  EXPECT_EQ(queue.pop(false)->what, push);
  EXPECT_EQ(queue.pop(false)->index, tree::ChunkIndex{2}) << "the line has nothing better to do";
  queue.remove(kA, tree::ChunkIndex{3});
  EXPECT_EQ(queue.welcome_bytes(), 0U);
  EXPECT_EQ(queue.pop(false)->what, pull);
  EXPECT_FALSE(queue.pop(true));
}

TEST(PushQueue, one_peer_pulls_so_much_at_a_time) {
  PushQueue queue{1000};
  for (std::uint64_t i = 0; i < PushQueue::kMaxPulls; ++i) EXPECT_TRUE(queue.add(send(SendClass::pull, i, kA)));
  EXPECT_FALSE(queue.add(send(SendClass::pull, 9999, kA)));
  EXPECT_TRUE(queue.add(send(SendClass::pull, 9999, kB)));
  queue.remove(kA, tree::ChunkIndex{0});
  EXPECT_TRUE(queue.add(send(SendClass::pull, 9999, kA)));
}

}  // namespace
}  // namespace runnel::swarm
