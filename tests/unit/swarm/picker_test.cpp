#include "core/swarm/picker.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using base::Time;
using test::range;
using test::ranges;
using tree::ChunkIndex;
using tree::ChunkRange;
using tree::IntervalSet;
using namespace std::chrono_literals;

const Time kNow{1'000s};
const IntervalSet kNothing;

// ---- first_missing ----------------------------------------------------------------------------------------------------

TEST(FirstMissing, is_what_the_peer_holds_and_we_neither_hold_nor_asked) {
  const IntervalSet have = ranges({range(0, 9)});
  const IntervalSet requested = ranges({range(10, 14)});
  const IntervalSet peer = ranges({range(5, 19), range(30, 40)});
  EXPECT_EQ(first_missing(range(0, 100), peer, {have, requested}), range(15, 19));
  EXPECT_EQ(first_missing(range(0, 16), peer, {have, requested}), range(15, 16)) << "no further than asked";
  EXPECT_EQ(first_missing(range(20, 100), peer, {have, requested}), range(30, 31)) << "to the boundary";
  EXPECT_EQ(first_missing(range(0, 14), peer, {have, requested}), std::nullopt);
  EXPECT_EQ(first_missing(range(0, 100), kNothing, {have, requested}), std::nullopt);
}

TEST(FirstMissing, what_others_can_give_is_left_to_them) {
  const IntervalSet peer = ranges({range(0, 99)});
  const IntervalSet elsewhere = ranges({range(0, 39), range(50, 99)});
  EXPECT_EQ(first_missing(range(0, 99), peer, {kNothing, kNothing, &elsewhere}), range(40, 49));
  EXPECT_EQ(first_missing(range(50, 99), peer, {kNothing, kNothing, &elsewhere}), std::nullopt);
}

TEST(FirstMissing, never_crosses_the_boundary_of_a_block) {
  const IntervalSet peer = ranges({range(0, 999)});
  EXPECT_EQ(first_missing(range(0, 999), peer, {kNothing, kNothing}), range(0, kRequestChunks - 1));
  EXPECT_EQ(first_missing(range(5, 999), peer, {kNothing, kNothing}), range(5, kRequestChunks - 1));
  EXPECT_EQ(first_missing(range(kRequestChunks, 999), peer, {kNothing, kNothing}), range(kRequestChunks, 2 * kRequestChunks - 1));
}

TEST(FirstMissing, looks_past_256_ranges_and_no_further) {
  for (const std::uint64_t crumbs : {255U, 256U}) {
    IntervalSet peer;
    for (std::uint64_t i = 0; i < crumbs; ++i) peer.insert(range(i * 2, i * 2));
    const IntervalSet have = peer;
    peer.insert(range(100'000, 100'000));
    EXPECT_EQ(first_missing(range(0, 200'000), peer, {have, kNothing}).has_value(), crumbs == 255);
  }
}

RC_GTEST_PROP(FirstMissing, agrees_with_a_walk_over_all_chunks, ()) {
  const auto set = [] { return *rc::gen::container<std::set<std::uint64_t>>(rc::gen::inRange<std::uint64_t>(0, 150)); };
  const auto peer = set();
  const auto have = set();
  const auto requested = set();
  const auto elsewhere = set();
  const bool spare = *rc::gen::arbitrary<bool>();
  const auto first = *rc::gen::inRange<std::uint64_t>(0, 150);
  const auto last = first + *rc::gen::inRange<std::uint64_t>(0, 150);
  const auto free = [&](std::uint64_t i) {
    return peer.contains(i) && !have.contains(i) && !requested.contains(i) && !(spare && elsewhere.contains(i));
  };
  std::optional<ChunkRange> expected;
  for (std::uint64_t i = first; i <= last && !expected; ++i) {
    if (!free(i)) continue;
    std::uint64_t end = i;
    while (end < last && free(end + 1) && (end + 1) % kRequestChunks != 0) ++end;
    expected = range(i, end);
  }
  const IntervalSet others = test::chunks(elsewhere);
  RC_ASSERT(first_missing(range(first, last), test::chunks(peer),
                          {test::chunks(have), test::chunks(requested), spare ? &others : nullptr}) == expected);
}

// ---- readers' needs ---------------------------------------------------------------------------------------------------

TEST(Wants, stand_by_deadline_and_in_order_of_arrival_where_it_is_the_same) {
  Wants wants;
  EXPECT_TRUE(wants.empty());
  EXPECT_TRUE(wants.add({1, range(0, 9), kNow + 3s}));
  EXPECT_TRUE(wants.add({2, range(10, 19), kNow + 1s}));
  EXPECT_TRUE(wants.add({3, range(20, 29), kNow + 3s}));
  EXPECT_TRUE(wants.add({4, range(30, 39), kNow + 2s}));
  std::vector<std::uint64_t> tokens;
  for (const auto& entry : wants.by_deadline()) tokens.push_back(entry.token);
  EXPECT_EQ(tokens, (std::vector<std::uint64_t>{2, 4, 1, 3}));
}

TEST(Wants, a_token_that_comes_again_replaces_its_want) {
  Wants wants;
  wants.add({1, range(0, 9), kNow + 3s});
  wants.add({2, range(0, 9), kNow + 2s});
  wants.add({1, range(50, 59), kNow + 1s});
  ASSERT_EQ(wants.by_deadline().size(), 2U);
  EXPECT_EQ(wants.by_deadline()[0].token, 1U);
  EXPECT_EQ(wants.by_deadline()[0].range, range(50, 59));
  wants.remove(1);
  wants.remove(77);
  EXPECT_EQ(wants.by_deadline().size(), 1U);
}

TEST(Wants, are_ready_when_the_whole_range_is_here_and_told_once) {
  Wants wants;
  wants.add({1, range(0, 9), kNow});
  wants.add({2, range(5, 14), kNow});
  wants.add({3, range(0, 0), kNow + 1s});
  EXPECT_TRUE(wants.take_ready(kNothing).empty());
  EXPECT_EQ(wants.take_ready(ranges({range(0, 13)})), (std::vector<std::uint64_t>{1, 3}));
  EXPECT_TRUE(wants.take_ready(ranges({range(0, 13)})).empty());
  EXPECT_EQ(wants.take_ready(ranges({range(5, 14)})), std::vector<std::uint64_t>{2});
  EXPECT_TRUE(wants.empty());
}

TEST(Wants, there_are_so_many_and_no_more) {
  Wants wants;
  for (std::uint64_t token = 1; token <= Wants::kMaxWants; ++token) ASSERT_TRUE(wants.add({token, range(token, token), kNow}));
  EXPECT_FALSE(wants.add({9'999, range(0, 0), kNow}));
  EXPECT_EQ(wants.by_deadline().size(), Wants::kMaxWants);
  EXPECT_TRUE(wants.add({7, range(0, 0), kNow})) << "a new form of one that is there";
  EXPECT_EQ(wants.by_deadline().size(), Wants::kMaxWants);
  wants.remove(8);
  EXPECT_TRUE(wants.add({9'999, range(0, 0), kNow}));
}

// ---- static content ---------------------------------------------------------------------------------------------------

constexpr std::uint64_t kPiece = StaticPicker::kPieceChunks;

TEST(StaticPicker, what_a_reader_needs_first_comes_first) {
  const StaticPicker picker{base::Rng{1}, 10'000};
  Wants wants;
  wants.add({1, range(9'000, 9'009), kNow + 2s});
  wants.add({2, range(5'000, 5'009), kNow + 1s});
  const IntervalSet all = ranges({range(0, 9'999)});
  const IntervalSet late = ranges({range(8'000, 9'999)});
  EXPECT_EQ(picker.pick_wanted(wants, all, {kNothing, kNothing}), range(5'000, 5'009));
  EXPECT_EQ(picker.pick_wanted(wants, late, {kNothing, kNothing}), range(9'000, 9'009)) << "of a peer that lacks the first";
  const IntervalSet have = ranges({range(5'000, 5'009)});
  const IntervalSet requested = ranges({range(9'000, 9'004)});
  EXPECT_EQ(picker.pick_wanted(wants, all, {have, requested}), range(9'005, 9'009));
  EXPECT_EQ(picker.pick_wanted({}, all, {kNothing, kNothing}), std::nullopt);
}

TEST(StaticPicker, with_only_seeds_about_chunks_are_asked_in_order) {
  StaticPicker picker{base::Rng{1}, 10'000};
  const IntervalSet all = ranges({range(0, 9'999)});
  IntervalSet requested;
  PickCursor cursor;
  for (std::uint64_t at = 0; at < 10'000;) {
    const auto picked = picker.pick(all, {kNothing, requested}, cursor, true);
    ASSERT_TRUE(picked);
    EXPECT_EQ(picked->first, ChunkIndex{at});
    at = picked->last.value() + 1;
    requested.insert(*picked);
  }
  EXPECT_EQ(picker.pick(all, {kNothing, requested}, cursor, true), std::nullopt);
}

TEST(StaticPicker, a_piece_that_was_begun_is_finished_first) {
  StaticPicker picker{base::Rng{3}, 100 * kPiece};
  const IntervalSet all = ranges({range(0, 100 * kPiece - 1)});
  IntervalSet requested;
  PickCursor cursor;
  for (int piece = 0; piece < 20; ++piece) {
    std::set<std::uint64_t> pieces;
    for (std::uint64_t chunks = 0; chunks < kPiece;) {
      const auto picked = picker.pick(all, {kNothing, requested}, cursor, false);
      ASSERT_TRUE(picked);
      pieces.insert(picked->first.value() / kPiece);
      requested.insert(*picked);
      chunks += picked->count();
    }
    EXPECT_EQ(pieces.size(), 1U);
  }
}

TEST(StaticPicker, the_rarer_piece_is_taken_first) {
  int rarest = 0;
  constexpr std::uint64_t kPieces = 8;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    StaticPicker picker{base::Rng{seed}, kPieces * kPiece};
    for (int peers = 0; peers < 5; ++peers) picker.peer_has(range(0, kPieces * kPiece - 1));
    picker.peer_gone(ranges({range(3 * kPiece, 4 * kPiece - 1)}));
    PickCursor cursor;
    const auto picked = picker.pick(ranges({range(0, kPieces * kPiece - 1)}), {kNothing, kNothing}, cursor, false);
    ASSERT_TRUE(picked);
    rarest += picked->first.value() / kPiece == 3 ? 1 : 0;
  }
  // Eight draws of eight find one of them in 1 - (7/8)^8 = 66 % of cases; without rarity it were 12 %.
  EXPECT_GT(rarest, 100);
}

TEST(StaticPicker, newcomers_do_not_all_begin_with_the_same_piece) {
  std::set<std::uint64_t> pieces;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    StaticPicker picker{base::Rng{seed}, 1'000 * kPiece};
    PickCursor cursor;
    pieces.insert(picker.pick(ranges({range(0, 1'000 * kPiece - 1)}), {kNothing, kNothing}, cursor, false)->first.value() / kPiece);
  }
  EXPECT_GT(pieces.size(), 80U);
}

// Whatever peers hold, their leaving takes out just what their coming brought.
RC_GTEST_PROP(StaticPicker, a_peer_that_leaves_leaves_no_trace, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const auto chunks = *rc::gen::inRange<std::uint64_t>(1, 3'000);
  StaticPicker quiet{base::Rng{seed}, chunks};
  StaticPicker busy{base::Rng{seed}, chunks};
  for (int peers = *rc::gen::inRange(0, 5); peers > 0; --peers) {
    const auto first = *rc::gen::inRange<std::uint64_t>(0, chunks);
    const auto last = *rc::gen::inRange<std::uint64_t>(first, chunks);
    busy.peer_has(range(first, last));
    busy.peer_gone(ranges({range(first, last)}));
  }
  const IntervalSet all = ranges({range(0, chunks - 1)});
  PickCursor a;
  PickCursor b;
  IntervalSet requested;
  for (int picks = 0; picks < 20; ++picks) {
    const auto picked = quiet.pick(all, {kNothing, requested}, a, false);
    RC_ASSERT(busy.pick(all, {kNothing, requested}, b, false) == picked);
    if (!picked) break;
    requested.insert(*picked);
  }
}

// A peer may have claimed what can not exist, before anyone knew the size.
TEST(StaticPicker, claims_beyond_the_end_count_for_nothing) {
  for (const std::uint64_t chunks : {1UL, 100UL, kPiece, kPiece + 1}) {
    StaticPicker picker{base::Rng{1}, chunks};
    const IntervalSet claimed = ranges({range(0, 10 * kPiece), range(1ULL << 40, 1ULL << 41)});
    claimed.for_each([&](ChunkRange r) { picker.peer_has(r); });
    picker.peer_gone(claimed);
    PickCursor cursor;
    const auto picked = picker.pick(ranges({range(0, chunks - 1)}), {kNothing, kNothing}, cursor, false);
    ASSERT_TRUE(picked);
    EXPECT_LT(picked->last.value(), chunks);
  }
}

RC_GTEST_PROP(StaticPicker, every_chunk_that_peers_hold_is_picked_once_in_time, ()) {
  const auto chunks = *rc::gen::inRange<std::uint64_t>(1, 4'000);
  StaticPicker picker{base::Rng{*rc::gen::arbitrary<std::uint64_t>()}, chunks};
  std::vector<IntervalSet> peers;
  IntervalSet together;
  for (int count = *rc::gen::inRange(1, 4); count > 0; --count) {
    const auto first = *rc::gen::inRange<std::uint64_t>(0, chunks);
    const auto last = *rc::gen::inRange<std::uint64_t>(first, chunks);
    peers.push_back(ranges({range(first, last)}));
    together.insert(range(first, last));
    picker.peer_has(range(first, last));
  }
  std::vector<PickCursor> cursors(peers.size());
  IntervalSet requested;
  for (bool any = true; any;) {
    any = false;
    for (std::size_t i = 0; i < peers.size(); ++i) {
      const auto picked = picker.pick(peers[i], {kNothing, requested}, cursors[i], *rc::gen::arbitrary<bool>());
      if (!picked) continue;
      any = true;
      RC_ASSERT(peers[i].contains(*picked));
      RC_ASSERT(picked->count() <= kRequestChunks);
      RC_ASSERT(requested.insert(*picked) == picked->count());
    }
  }
  RC_ASSERT(requested == together);
}

}  // namespace
}  // namespace runnel::swarm
