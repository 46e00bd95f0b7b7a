#include "core/swarm/repair.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace runnel::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kMunro = 1'700'000'000ULL * kLiveIndicesPerSecond / kPushMunroWidth;
constexpr PeerKey kNear{7};
constexpr PeerKey kFar{8};

// A viewer with a near and a far neighbour that hold munro kMunro; it knows of 20 chunks there and has all but 3 and 9.
struct Viewer {
  Viewer() {
    for (const PeerKey peer : {kNear, kFar}) {
      hood.add(peer, NodeTag{peer.value()}, now);
      Neighbour& neighbour = *hood.find(peer);
      neighbour.advert.emplace();
      neighbour.advert->lag.fill(5);
      neighbour.rtt = peer == kNear ? milliseconds{20} : milliseconds{100};
      neighbour.have.add(MunroMap{{{kMunro, true, 0}}});
    }
    munros.prove(kMunro, 20, now);
    for (unsigned leaf = 0; leaf < 20; ++leaf) {
      if (leaf != 3 && leaf != 9) munros.add(chunk_of(kMunro, leaf), now);
      for (int i = 0; i < 40; ++i) lag.arrived(tree_of(kMunro, leaf), {});
    }
  }
  std::vector<PushOut> tick(base::Duration later = {}) {
    now += later;
    for (auto& [peer, neighbour] : hood.all()) neighbour.heard = now;
    return repair.tick({munros, lag, hood, trees}, now);
  }
  static std::vector<PeerKey> peers(const std::vector<PushOut>& out) {
    std::vector<PeerKey> all;
    for (const PushOut& one : out) all.push_back(one.to);
    return all;
  }
  void feed(PeerKey parent, unsigned leaf) {
    const auto tree = static_cast<std::uint8_t>(tree_of(kMunro, leaf));
    Advert advert;
    advert.room = 40;
    advert.lag.fill(Advert::kNotFed);
    advert.lag[tree] = 1;
    hood.on_advert(parent, advert, now);
    trees.set_means({16, 1, 300'000, 1140, milliseconds{60}}, hood);
    trees.tick(hood, now);
    trees.on_accept(parent, {tree, {NodeTag{99}, NodeTag{parent.value()}}}, now);
  }
  base::Time now{seconds{1000}};
  RecentMunros munros;
  LagMeter lag;
  Neighbourhood hood{base::Rng{1}};
  Substreams trees{NodeTag{1}, false, base::Rng{2}};
  Repair repair{base::Rng{3}};
};

TEST(Repair, asks_for_what_is_overdue_and_asks_the_quickest_holder_once) {
  Viewer viewer;
  EXPECT_THAT(viewer.tick(), IsEmpty()) << "it may still come";
  const auto out = viewer.tick(milliseconds{200});
  ASSERT_THAT(Viewer::peers(out), ElementsAre(kNear));
  EXPECT_EQ(std::get<Nack>(out[0].message).map, (MunroMap{{{kMunro, false, 1U << 3 | 1U << 9}}}));
  EXPECT_THAT(viewer.tick(milliseconds{20}), IsEmpty()) << "the answer is on its way";
  EXPECT_EQ(viewer.repair.outstanding(), 2U);
  viewer.munros.add(chunk_of(kMunro, 3), viewer.now);
  viewer.repair.arrived(chunk_of(kMunro, 3), viewer.hood);
  EXPECT_EQ(viewer.repair.outstanding(), 1U);
  EXPECT_THAT(Viewer::peers(viewer.tick(milliseconds{100})), ElementsAre(kNear)) << "again, when it did not come";
}

// Where lines are full all is late, and asked of others it would come twice.
TEST(Repair, what_waits_at_a_parent_that_passed_nothing_over_is_not_asked_of_others) {
  const auto asked = [](const std::vector<PushOut>& out) {
    std::uint32_t chunks = 0;
    for (const PushOut& one : out) chunks |= std::get<Nack>(one.message).map.entries.at(0).chunks;
    return chunks;
  };
  constexpr std::uint32_t kFed = 1U << 3;
  constexpr std::uint32_t kOrphan = 1U << 9;
  Viewer viewer;
  viewer.feed(kFar, 3);
  viewer.trees.arrived(tree_of(kMunro, 3), kFar);
  EXPECT_EQ(asked(viewer.tick(milliseconds{200})), kOrphan);
  EXPECT_EQ(asked(viewer.tick(milliseconds{301})) & kFed, kFed) << "but not for ever";

  Viewer silent;
  silent.feed(kFar, 3);
  silent.trees.exists(tree_of(kMunro, 3), silent.now);
  EXPECT_EQ(asked(silent.tick(milliseconds{150})) & kFed, 0U);
  EXPECT_EQ(asked(silent.tick(milliseconds{100})) & kFed, kFed) << "its parent says nothing any more";
}

TEST(Repair, who_is_busy_is_left_alone_and_another_asked) {
  Viewer viewer;
  const auto out = viewer.tick(milliseconds{200});
  viewer.repair.on_busy(kNear, {50, std::get<Nack>(out[0].message).map}, viewer.hood, viewer.now);
  EXPECT_EQ(viewer.repair.outstanding(), 0U);
  EXPECT_EQ(viewer.hood.find(kNear)->asked, 0U);
  EXPECT_THAT(Viewer::peers(viewer.tick(milliseconds{20})), ElementsAre(kFar));
}

TEST(Repair, a_gap_is_told_to_the_parent_at_once_and_only_once) {
  Viewer viewer;
  viewer.feed(kFar, 3);
  viewer.repair.gap(chunk_of(kMunro, 3), viewer.now);
  const base::Time due = viewer.repair.next_gap();
  EXPECT_EQ(due, viewer.now + Repair::kReorder);
  EXPECT_THAT(viewer.tick(), IsEmpty()) << "it may have been overtaken";
  EXPECT_EQ(viewer.repair.next_gap(), due) << "whoever looked before";
  EXPECT_THAT(Viewer::peers(viewer.tick(Repair::kReorder)), ElementsAre(kFar));
  EXPECT_EQ(viewer.repair.next_gap(), base::Time::max());
  EXPECT_THAT(Viewer::peers(viewer.tick(milliseconds{400})), ElementsAre(kNear)) << "then whoever is quickest";
}

TEST(Repair, what_the_parent_was_asked_for_in_vain_others_are_asked_for_at_once) {
  Viewer viewer;
  viewer.feed(kNear, 3);
  for (int i = 0; i < 40; ++i) viewer.lag.arrived(tree_of(kMunro, 3), milliseconds{i % 2 * 400});   // by that it may still come
  viewer.trees.arrived(tree_of(kMunro, 3), kNear);
  viewer.repair.gap(chunk_of(kMunro, 3), viewer.now);
  const auto parent = viewer.tick(Repair::kReorder);
  ASSERT_THAT(Viewer::peers(parent), ElementsAre(kNear));

  viewer.repair.on_busy(kNear, {10, std::get<Nack>(parent[0].message).map}, viewer.hood, viewer.now);
  EXPECT_THAT(Viewer::peers(viewer.tick()), ElementsAre(kFar));
}

TEST(Repair, a_munro_that_others_show_has_its_bundle_asked_for) {
  Viewer viewer;
  viewer.tick(milliseconds{200});
  viewer.munros.note(kMunro + 17, viewer.now);
  viewer.hood.find(kFar)->have.add(chunk_of(kMunro + 17, 0));
  EXPECT_THAT(viewer.tick(milliseconds{20}), IsEmpty()) << "it was published 66 ms after the other";
  const auto out = viewer.tick(milliseconds{250});
  bool asked = false;
  for (const PushOut& one : out) {
    const auto& entries = std::get<Nack>(one.message).map.entries;
    asked |= one.to == kFar && std::ranges::find(entries, MunroMap::Entry{kMunro + 17, true, 0}) != entries.end();
  }
  EXPECT_TRUE(asked);
}

TEST(Repair, so_much_is_asked_of_one_holder_and_of_all) {
  Viewer viewer;
  for (std::uint64_t i = 1; i <= 10; ++i) {
    viewer.munros.prove(kMunro + i, 32, viewer.now);
    for (const PeerKey peer : {kNear, kFar}) viewer.hood.find(peer)->have.add(MunroMap{{{kMunro + i, true, 0}}});
  }
  viewer.tick(milliseconds{300});
  EXPECT_EQ(viewer.repair.outstanding(), 2 * Repair::kMaxAtHolder);
  for (std::uint32_t i = 100; i < 120; ++i) {
    viewer.hood.add(PeerKey{i}, NodeTag{i}, viewer.now);
    for (std::uint64_t m = 1; m <= 10; ++m) viewer.hood.find(PeerKey{i})->have.add(MunroMap{{{kMunro + m, true, 0}}});
  }
  viewer.tick(milliseconds{61});
  EXPECT_EQ(viewer.repair.outstanding(), Repair::kMaxOutstanding);
  viewer.repair.forget(kNear);
  EXPECT_EQ(viewer.repair.outstanding(), Repair::kMaxOutstanding - Repair::kMaxAtHolder);
}

TEST(Repair, what_would_come_too_late_is_left_to_pull) {
  Viewer viewer;
  viewer.tick(milliseconds{200});
  EXPECT_GT(viewer.repair.outstanding(), 0U);
  EXPECT_THAT(viewer.tick(Repair::kTooLate), IsEmpty());
  EXPECT_EQ(viewer.repair.outstanding(), 0U);
  EXPECT_EQ(viewer.hood.find(kNear)->asked, 0U);
}

TEST(Repair, a_bundle_is_asked_for_longer_than_chunks_are) {
  Viewer viewer;
  viewer.munros.note(kMunro + 17, viewer.now);
  viewer.hood.find(kFar)->have.add(chunk_of(kMunro + 17, 0));
  viewer.tick(milliseconds{300});
  EXPECT_GT(viewer.repair.outstanding(), 0U);
  const auto out = viewer.tick(Repair::kTooLate);
  ASSERT_THAT(Viewer::peers(out), ElementsAre(kFar));
  EXPECT_EQ(std::get<Nack>(out[0].message).map, (MunroMap{{{kMunro + 17, true, 0}}}));
  EXPECT_THAT(viewer.tick(seconds{5}), IsEmpty());
  EXPECT_EQ(viewer.repair.outstanding(), 0U);
}

TEST(Repair, so_many_gaps_are_kept) {
  Viewer viewer;
  for (std::uint64_t i = 0; i < 2 * Repair::kMaxTracked; ++i) viewer.repair.gap(tree::ChunkIndex{kMunro * kPushMunroWidth + i}, viewer.now);
  EXPECT_EQ(viewer.repair.tracked(), Repair::kMaxTracked);
}

}  // namespace
}  // namespace runnel::swarm
