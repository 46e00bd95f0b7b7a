// How watchers share out what they fetch from the seeds.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "core/swarm/picker.hpp"
#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using test::range;
using test::ranges;
using tree::IntervalSet;

using Ids = std::vector<std::uint64_t>;
constexpr std::uint64_t kPiece = StaticPicker::kPieceChunks;
const IntervalSet kNothing;

Ids others_than(std::uint64_t self, const Ids& ids) {
  Ids others;
  std::ranges::copy_if(ids, std::back_inserter(others), [&](std::uint64_t id) { return id != self; });
  return others;
}

std::vector<PieceShare> shares_of(const Ids& ids) {
  std::vector<PieceShare> shares(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) shares[i].set_members(ids[i], others_than(ids[i], ids));
  return shares;
}

Ids arbitrary_ids(std::size_t least) {
  auto ids = *rc::gen::unique<Ids>(rc::gen::oneOf(rc::gen::arbitrary<std::uint64_t>(), rc::gen::inRange<std::uint64_t>(0, 50)));
  for (std::uint64_t next = 1'000; ids.size() < least; ++next) ids.push_back(next);
  return ids;
}

TEST(PieceShare, alone_everything_is_ours) {
  PieceShare share;
  share.set_members(42, {});
  for (std::uint64_t piece = 0; piece < 1'000; ++piece) EXPECT_TRUE(share.is_ours(piece));
}

TEST(PieceShare, tells_whether_anything_changed) {
  PieceShare share;
  EXPECT_TRUE(share.set_members(1, {2, 3}));
  EXPECT_FALSE(share.set_members(1, {3, 2})) << "the order is nothing";
  EXPECT_TRUE(share.set_members(1, {3}));
  EXPECT_TRUE(share.set_members(2, {3}));
  EXPECT_TRUE(share.set_members(2, {}));
}

RC_GTEST_PROP(PieceShare, every_piece_falls_to_exactly_one_member, ()) {
  const auto shares = shares_of(arbitrary_ids(1));
  for (std::uint64_t piece = 0; piece < 100; ++piece) {
    RC_ASSERT(std::ranges::count_if(shares, [&](const PieceShare& s) { return s.is_ours(piece); }) == 1);
  }
}

RC_GTEST_PROP(PieceShare, the_order_of_the_members_does_not_matter, ()) {
  const Ids ids = arbitrary_ids(2);
  Ids others = others_than(ids[0], ids);
  PieceShare a;
  PieceShare b;
  a.set_members(ids[0], others);
  base::Rng rng{*rc::gen::arbitrary<std::uint64_t>()};
  std::ranges::shuffle(others, rng);
  b.set_members(ids[0], others);
  for (std::uint64_t piece = 0; piece < 100; ++piece) RC_ASSERT(a.is_ours(piece) == b.is_ours(piece));
}

TEST(PieceShare, shares_are_about_even_even_where_ids_follow_one_another) {
  constexpr std::uint64_t kPieces = 20'000;
  base::Rng rng{11};
  for (const std::size_t members : {2U, 3U, 10U, 40U}) {
    for (const bool in_a_row : {false, true}) {
      Ids ids;
      for (std::uint64_t i = 0; i < members; ++i) ids.push_back(in_a_row ? i : rng());
      for (const PieceShare& share : shares_of(ids)) {
        std::uint64_t ours = 0;
        for (std::uint64_t piece = 0; piece < kPieces; ++piece) ours += share.is_ours(piece) ? 1U : 0U;
        // Six standard deviations of a fair draw.
        const double even = static_cast<double>(kPieces) / static_cast<double>(members);
        EXPECT_NEAR(static_cast<double>(ours), even, 6 * std::sqrt(even)) << members << " members";
      }
    }
  }
}

RC_GTEST_PROP(PieceShare, who_leaves_leaves_only_its_own_pieces_to_be_shared_anew, ()) {
  const Ids ids = arbitrary_ids(3);
  const auto before = shares_of(ids);
  const auto after = shares_of({ids.begin(), ids.end() - 1});
  for (std::uint64_t piece = 0; piece < 100; ++piece) {
    if (before.back().is_ours(piece)) continue;
    for (std::size_t i = 0; i < after.size(); ++i) RC_ASSERT(after[i].is_ours(piece) == before[i].is_ours(piece));
  }
}

// ---- what the picker makes of it --------------------------------------------------------------------------------------

// All that pick_ours() gives of a seed.
IntervalSet walk(StaticPicker& picker, std::uint64_t chunks, PickCursor cursor = {}) {
  const IntervalSet seed = ranges({range(0, chunks - 1)});
  IntervalSet requested;
  while (const auto picked = picker.pick_ours(seed, {kNothing, requested}, cursor)) {
    EXPECT_EQ(requested.insert(*picked), picked->count());
  }
  return requested;
}

RC_GTEST_PROP(PieceShare, watchers_together_take_each_chunk_from_a_seed_once, ()) {
  const Ids ids = arbitrary_ids(1);
  const auto chunks = *rc::gen::inRange<std::uint64_t>(1, 20 * kPiece);
  IntervalSet together;
  std::uint64_t taken = 0;
  for (const std::uint64_t id : ids) {
    StaticPicker picker{base::Rng{id}, chunks};
    picker.share_with(id, others_than(id, ids));
    const IntervalSet ours = walk(picker, chunks);
    taken += ours.count();
    ours.for_each([&](tree::ChunkRange r) { together.insert(r); });
  }
  RC_ASSERT(taken == chunks);
  RC_ASSERT(together.count() == chunks);
}

// Leaving it half done was measured: the caster sends more, not less.
TEST(PieceShare, a_piece_that_another_pick_began_is_finished_and_then_only_ours_are_taken) {
  const Ids ids{1, 2, 3, 4, 5};
  constexpr std::uint64_t kChunks = 50 * kPiece;
  const IntervalSet seed = ranges({range(0, kChunks - 1)});
  PieceShare share;
  share.set_members(1, others_than(1, ids));
  for (std::uint64_t run = 0; run < 20; ++run) {
    StaticPicker picker{base::Rng{run}, kChunks};
    picker.share_with(1, others_than(1, ids));
    PickCursor cursor;
    const auto first = picker.pick(seed, {kNothing, kNothing}, cursor, false);
    ASSERT_TRUE(first);
    const std::uint64_t begun = first->first.value() / kPiece;
    IntervalSet requested = ranges({*first});
    bool done = false;
    while (const auto next = picker.pick_ours(seed, {kNothing, requested}, cursor)) {
      const std::uint64_t piece = next->first.value() / kPiece;
      requested.insert(*next);
      done |= piece != begun;
      EXPECT_TRUE(done ? share.is_ours(piece) : piece == begun);
    }
    EXPECT_TRUE(requested.contains(range(begun * kPiece, begun * kPiece + kPiece - 1)));
  }
}

TEST(PieceShare, what_was_given_back_is_found_by_the_next_walk) {
  constexpr std::uint64_t kChunks = 10 * kPiece;
  StaticPicker picker{base::Rng{1}, kChunks};
  picker.share_with(1, {2});
  const IntervalSet first = walk(picker, kChunks);
  ASSERT_FALSE(first.empty());
  EXPECT_TRUE(walk(picker, kChunks).empty()) << "this walk is over";
  picker.share_with(1, {2});
  EXPECT_EQ(walk(picker, kChunks), first);
}

TEST(PieceShare, when_a_member_leaves_the_rest_falls_to_who_is_left) {
  constexpr std::uint64_t kChunks = 40 * kPiece;
  StaticPicker picker{base::Rng{1}, kChunks};
  picker.share_with(1, {2});
  EXPECT_LT(walk(picker, kChunks).count(), kChunks);
  picker.share_with(1, {});
  EXPECT_EQ(walk(picker, kChunks).count(), kChunks);
}

}  // namespace
}  // namespace runnel::swarm
