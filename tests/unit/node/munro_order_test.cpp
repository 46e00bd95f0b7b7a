#include "node/munro_order.hpp"

#include <gtest/gtest.h>

namespace runnel::node {
namespace {

using base::Time;
using tree::ChunkIndex;
using tree::ChunkRange;
using namespace std::chrono_literals;

const Time kNow{1'000s};

ChunkRange munro(std::uint64_t first) { return {ChunkIndex{first}, ChunkIndex{first + 31}}; }

// With this one, and no other, still to come.
auto lacks(std::optional<ChunkIndex> missing) {
  return [missing](ChunkRange munro) { return !missing || *missing >= munro.first; };
}

std::vector<std::uint64_t> take_all(MunroOrder& order, std::optional<ChunkIndex> missing, Time now) {
  std::vector<std::uint64_t> taken;
  while (const auto next = order.take(lacks(missing), now)) taken.push_back(next->first.value());
  return taken;
}

TEST(MunroOrder, what_came_before_the_start_was_known_and_is_not_older_is_given_as_well) {
  MunroOrder order;
  order.add(munro(64), kNow);    // the middle of the record that a decoder begins with
  order.add(munro(0), kNow);     // of an older record
  order.add(munro(96), kNow);    // tells that one begins at 32
  EXPECT_EQ(order.take_unread().size(), 3U);
  EXPECT_TRUE(order.take_unread().empty());
  EXPECT_EQ(take_all(order, std::nullopt, kNow), std::vector<std::uint64_t>{}) << "nothing goes before the start is known";
  order.start_at(ChunkIndex{32});
  EXPECT_EQ(take_all(order, ChunkIndex{32}, kNow), std::vector<std::uint64_t>{});
  order.add(munro(32), kNow);
  EXPECT_EQ(take_all(order, std::nullopt, kNow), (std::vector<std::uint64_t>{32, 64, 96}));
}

TEST(MunroOrder, waits_for_what_is_missing_until_its_patience_ends) {
  MunroOrder order;
  order.start_at(ChunkIndex{0});
  order.add(munro(32), kNow);
  EXPECT_EQ(order.deadline(), kNow + MunroOrder::kPatience);
  EXPECT_FALSE(order.take(lacks(ChunkIndex{3}), kNow + MunroOrder::kPatience - 1us));
  EXPECT_EQ(take_all(order, ChunkIndex{3}, kNow + MunroOrder::kPatience), std::vector<std::uint64_t>{32});
  order.add(munro(0), kNow);
  EXPECT_EQ(take_all(order, std::nullopt, kNow), std::vector<std::uint64_t>{}) << "too late";
}

TEST(MunroOrder, what_is_missing_beyond_holds_up_nothing) {
  MunroOrder order;
  order.start_at(ChunkIndex{0});
  order.add(munro(0), kNow);
  EXPECT_EQ(take_all(order, ChunkIndex{32}, kNow), std::vector<std::uint64_t>{0});
}

TEST(MunroOrder, remembers_no_more_than_its_limit) {
  MunroOrder order;
  for (std::uint64_t i = 0; i <= MunroOrder::kMaxWaiting; ++i) order.add(munro(i * 32), kNow);
  EXPECT_EQ(order.take_unread().size(), MunroOrder::kMaxWaiting);
  order.start_at(ChunkIndex{0});
  const auto taken = take_all(order, std::nullopt, kNow);
  ASSERT_EQ(taken.size(), MunroOrder::kMaxWaiting);
  EXPECT_EQ(taken.front(), 32U) << "the oldest goes first";
}

}  // namespace
}  // namespace runnel::node
