#include "core/swarm/substreams.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace runnel::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr base::Time kStart{seconds{1000}};
constexpr NodeTag kSelf{1};
constexpr std::uint8_t kTree = 3;

// A node with two neighbours that offer every tree, 100 and 200 ms behind the source, and some that may become its children.
struct Child {
  Child() {
    for (const std::uint32_t i : {7U, 8U}) {
      hood.add(PeerKey{i}, NodeTag{i}, now);
      tell(i, static_cast<std::uint8_t>((i - 6) * 100 / 8));
    }
    for (const std::uint32_t i : {20U, 21U, 22U}) hood.add(PeerKey{i}, NodeTag{i}, now);
    trees.set_means({16, 1, 300'000, 1140, milliseconds{60}}, hood);
  }
  void tell(std::uint32_t peer, std::uint8_t lag, std::uint8_t room = 40) {
    Advert advert;
    advert.uplink = 512;
    advert.room = room;
    advert.lag.fill(lag);
    advert.weakest_rank.fill(Advert::kNoChildren);
    hood.on_advert(PeerKey{peer}, advert, now);
    hood.heard(PeerKey{peer}, now);
  }
  std::vector<PushOut> tick() {
    trees.tick(hood, now);
    return trees.take_out();
  }
  void wait(base::Duration time) {
    now += time;
    for (auto& [peer, neighbour] : hood.all()) {
      neighbour.heard = now;
      neighbour.advert_at = now;
    }
  }
  template <class M>
  std::vector<PeerKey> asked(const std::vector<PushOut>& out, std::uint8_t tree = kTree) {
    std::vector<PeerKey> to;
    for (const PushOut& one : out) {
      const auto* message = std::get_if<M>(&one.message);
      if (message != nullptr && message->tree == tree) to.push_back(one.to);
    }
    return to;
  }
  // Fed by `peer` in kTree.
  void attach(std::uint32_t peer) {
    tick();
    trees.on_refuse(PeerKey{7}, {kTree, Refuse::Reason::full, NodeTag{peer}}, hood, now);
    tick();
    trees.on_accept(PeerKey{peer}, {kTree, {NodeTag{99}, NodeTag{peer}}}, now);
    trees.arrived(kTree, PeerKey{peer});
    static_cast<void>(trees.take_out());
  }
  Neighbourhood hood{base::Rng{1}};
  Substreams trees{kSelf, false, base::Rng{2}};
  base::Time now = kStart;
};

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Substreams, asks_the_one_by_whom_chunks_come_soonest) {
  Child child;
  EXPECT_THAT(child.asked<Subscribe>(child.tick()), ElementsAre(PeerKey{7}));
  EXPECT_THAT(child.asked<Subscribe>(child.tick()), IsEmpty()) << "one at a time";
  child.trees.on_accept(PeerKey{7}, {kTree, {NodeTag{99}, NodeTag{7}}}, child.now);
  EXPECT_EQ(child.trees.parent(kTree), PeerKey{7});
  EXPECT_FALSE(child.trees.fed(kTree, child.now)) << "nothing came yet";
  child.trees.arrived(kTree, PeerKey{7});
  EXPECT_TRUE(child.trees.fed(kTree, child.now));
}

// After many are gone at once, a third of a second at each of them would be the second that a player waits.
TEST(Substreams, prefers_whom_it_heard_just_now_and_waits_for_an_answer_no_longer_than_that_takes) {
  Child child;
  child.now += milliseconds{400};
  child.hood.heard(PeerKey{8}, child.now);
  EXPECT_THAT(child.asked<Subscribe>(child.tick()), ElementsAre(PeerKey{8})) << "7 is nearer, but was silent";

  Child other;
  ASSERT_THAT(other.asked<Subscribe>(other.tick()), ElementsAre(PeerKey{7}));
  other.hood.find(PeerKey{7})->rtt = milliseconds{40};
  other.wait(milliseconds{150});
  EXPECT_THAT(other.asked<Subscribe>(other.tick()), IsEmpty());
  other.wait(milliseconds{1});
  EXPECT_THAT(other.asked<Subscribe>(other.tick()), ElementsAre(PeerKey{8}));
}

TEST(Substreams, both_bundle_trees_have_parents_of_their_own) {
  Child child;
  child.tick();
  child.trees.on_accept(PeerKey{7}, {16, {NodeTag{99}, NodeTag{7}}}, child.now);
  child.trees.on_accept(PeerKey{7}, {17, {NodeTag{99}, NodeTag{7}}}, child.now);
  EXPECT_EQ(child.trees.parent(16), PeerKey{7});
  EXPECT_EQ(child.trees.parent(17), std::nullopt);
  EXPECT_THAT(child.asked<Unsubscribe>(child.trees.take_out(), 17), ElementsAre(PeerKey{7}));
}

TEST(Substreams, a_refusal_is_followed_by_its_hint_and_then_by_others) {
  Child child;
  child.tick();
  child.trees.on_refuse(PeerKey{7}, {kTree, Refuse::Reason::full, NodeTag{8}}, child.hood, child.now);
  EXPECT_THAT(child.asked<Subscribe>(child.tick()), ElementsAre(PeerKey{8}));
  child.trees.on_refuse(PeerKey{8}, {kTree, Refuse::Reason::full, kNobody}, child.hood, child.now);
  EXPECT_THAT(child.asked<Subscribe>(child.tick()), IsEmpty()) << "both have just said no";
  child.wait(milliseconds{501});
  EXPECT_THAT(child.asked<Subscribe>(child.tick()), ElementsAre(PeerKey{7}));
}

TEST(Substreams, leaves_a_path_that_comes_round) {
  Child child;
  child.tick();
  child.trees.on_accept(PeerKey{7}, {kTree, {NodeTag{99}, kSelf, NodeTag{7}}}, child.now);
  EXPECT_EQ(child.trees.parent(kTree), std::nullopt);
  EXPECT_THAT(child.asked<Unsubscribe>(child.trees.take_out()), ElementsAre(PeerKey{7}));
  Child other;
  other.attach(8);
  other.trees.on_path(PeerKey{8}, {kTree, {NodeTag{99}, kSelf, NodeTag{8}}}, other.now);
  EXPECT_EQ(other.trees.parent(kTree), std::nullopt);
}

TEST(Substreams, leaves_the_dead_soon_and_the_starving_late) {
  Child child;
  child.attach(8);
  child.trees.exists(kTree, child.now);
  child.trees.exists(kTree, child.now);
  child.wait(milliseconds{500});
  child.tick();
  EXPECT_EQ(child.trees.parent(kTree), PeerKey{8}) << "it is alive, and starves with us";
  EXPECT_FALSE(child.trees.fed(kTree, child.now));
  child.wait(milliseconds{701});
  EXPECT_THAT(child.asked<Unsubscribe>(child.tick()), ElementsAre(PeerKey{8}));

  Child orphan;
  orphan.attach(8);
  orphan.now += milliseconds{501};
  orphan.hood.heard(PeerKey{7}, orphan.now);
  const auto out = orphan.tick();
  EXPECT_THAT(orphan.asked<Unsubscribe>(out), ElementsAre(PeerKey{8})) << "silent";
  EXPECT_THAT(orphan.asked<Subscribe>(out), ElementsAre(PeerKey{7}));
}

TEST(Substreams, one_chunk_that_is_lost_is_no_starvation) {
  Child child;
  child.attach(8);
  child.trees.exists(kTree, child.now);
  child.wait(seconds{3});
  EXPECT_TRUE(child.trees.fed(kTree, child.now));
}

TEST(Substreams, goes_to_a_better_parent_and_keeps_the_old_one_until_then) {
  Child child;
  child.attach(8);
  child.wait(seconds{3});
  EXPECT_THAT(child.asked<Subscribe>(child.tick()), ElementsAre(PeerKey{7}));
  EXPECT_EQ(child.trees.parent(kTree), PeerKey{8});
  child.trees.on_accept(PeerKey{7}, {kTree, {NodeTag{99}, NodeTag{7}}}, child.now);
  EXPECT_EQ(child.trees.parent(kTree), PeerKey{7});
  EXPECT_THAT(child.asked<Unsubscribe>(child.trees.take_out()), ElementsAre(PeerKey{8}));
}

TEST(Substreams, takes_as_many_children_as_it_has_slots) {
  Child node;
  node.attach(8);
  node.trees.set_means({2, 1, 300'000, 1140, milliseconds{60}}, node.hood);
  EXPECT_EQ(node.trees.room(), 4);
  for (const std::uint32_t i : {20U, 21U, 22U}) node.trees.on_subscribe({PeerKey{i}, NodeTag{i}, kStart}, {kTree, 8}, node.now);
  const auto out = node.trees.take_out();
  EXPECT_THAT(node.asked<Accept>(out), ElementsAre(PeerKey{20}, PeerKey{21}));
  EXPECT_THAT(node.asked<Refuse>(out), ElementsAre(PeerKey{22}));
  EXPECT_EQ(node.trees.weakest_rank(kTree), 8);
  EXPECT_EQ(node.trees.room(), 0);
}

TEST(Substreams, newcomers_get_half_of_the_slots_where_they_have_to_wait) {
  Child node;
  node.attach(8);
  node.trees.set_means({4, 1, 300'000, 1140, milliseconds{60}}, node.hood);
  node.wait(Neighbourhood::kNewcomer);
  const auto subscribe = [&](std::uint32_t i, base::Time met) {
    node.trees.on_subscribe({PeerKey{i}, NodeTag{i}, met}, {kTree, 8}, node.now);
    return node.asked<Accept>(node.trees.take_out()).size() == 1;
  };
  node.trees.let_newcomers_wait(true);
  EXPECT_TRUE(subscribe(20, node.now));
  EXPECT_TRUE(subscribe(21, node.now));
  EXPECT_FALSE(subscribe(22, node.now));
  EXPECT_TRUE(subscribe(23, kStart)) << "it was there before";
  node.trees.let_newcomers_wait(false);
  EXPECT_TRUE(subscribe(22, node.now));
}

TEST(Substreams, newcomers_that_have_to_wait_are_told_their_place_and_ask_others_meanwhile) {
  Child node;
  node.attach(8);
  node.trees.set_means({1, 1, 300'000, 1140, milliseconds{60}}, node.hood);
  node.wait(Neighbourhood::kNewcomer);
  const auto place = [&](std::uint32_t i, base::Time met) -> int {
    node.trees.on_subscribe({PeerKey{i}, NodeTag{i}, met}, {kTree, 8}, node.now);
    const auto out = node.trees.take_out();
    return node.asked<Refuse>(out).size() == 1 ? std::get<Refuse>(out[0].message).place : -1;
  };
  node.trees.let_newcomers_wait(true);
  EXPECT_EQ(place(20, node.now - seconds{1}), 1);
  EXPECT_EQ(place(21, node.now), 2);
  EXPECT_EQ(place(22, kStart), -1) << "it was there before, and has the slot";
  EXPECT_EQ(place(23, kStart), 0) << "it does not wait in this line";

  Child newcomer;
  ASSERT_THAT(newcomer.asked<Subscribe>(newcomer.tick()), ElementsAre(PeerKey{7}));
  newcomer.trees.on_refuse(PeerKey{7}, {kTree, Refuse::Reason::full, kNobody, 5}, newcomer.hood, newcomer.now);
  EXPECT_EQ(newcomer.trees.place(newcomer.now), 5U);
  EXPECT_THAT(newcomer.asked<Subscribe>(newcomer.tick()), ElementsAre(PeerKey{8}));
}

TEST(Substreams, newcomers_take_the_place_of_nobody_who_was_there_before_and_gives) {
  Substreams source{kSelf, true, base::Rng{1}};
  const base::Time now = kStart + 2 * Neighbourhood::kNewcomer;
  source.let_newcomers_wait(true);
  const auto accepts = [&](std::uint32_t i, base::Time met, std::uint8_t key) {
    source.on_subscribe({PeerKey{i}, NodeTag{i}, met}, {kTree, key}, now);
    const auto out = source.take_out();
    return std::ranges::any_of(out, [](const PushOut& one) { return std::holds_alternative<Accept>(one.message); });
  };
  for (std::uint32_t i = 10; i < 10 + Substreams::kSourceQuota; ++i) ASSERT_TRUE(accepts(i, kStart, 8));
  EXPECT_FALSE(accepts(30, now, 40));
  EXPECT_TRUE(accepts(31, kStart, 40)) << "as ever";
  EXPECT_TRUE(accepts(32, kStart, 20));
  Substreams other{kSelf, true, base::Rng{1}};
  source = std::move(other);
  source.let_newcomers_wait(true);
  ASSERT_TRUE(accepts(10, kStart, 0));
  for (std::uint32_t i = 11; i < 10 + Substreams::kSourceQuota; ++i) ASSERT_TRUE(accepts(i, now, 8));
  EXPECT_TRUE(accepts(30, now, 40)) << "of who gives nothing";
  EXPECT_TRUE(accepts(31, now, 60)) << "and of other newcomers";
}

TEST(Substreams, a_stronger_child_takes_the_place_of_the_weakest_which_is_fed_a_little_longer) {
  Child node;
  node.attach(8);
  node.trees.set_means({2, 1, 300'000, 1140, milliseconds{60}}, node.hood);
  node.trees.on_subscribe({PeerKey{20}, NodeTag{20}, kStart}, {kTree, 8}, node.now);
  node.trees.on_subscribe({PeerKey{21}, NodeTag{21}, kStart}, {kTree, 30}, node.now);
  static_cast<void>(node.trees.take_out());
  node.trees.on_subscribe({PeerKey{22}, NodeTag{22}, kStart}, {kTree, 12}, node.now);
  EXPECT_THAT(node.asked<Refuse>(node.trees.take_out()), ElementsAre(PeerKey{22})) << "not stronger by half a slot";
  node.trees.on_subscribe({PeerKey{23}, NodeTag{23}, kStart}, {kTree, 13}, node.now);
  const auto out = node.trees.take_out();
  EXPECT_THAT(node.asked<Redirect>(out), ElementsAre(PeerKey{20}));
  EXPECT_THAT(node.asked<Accept>(out), ElementsAre(PeerKey{23}));
  EXPECT_TRUE(node.trees.is_child(PeerKey{20}));
  node.wait(milliseconds{700});
  node.tick();
  EXPECT_FALSE(node.trees.is_child(PeerKey{20}));
}

TEST(Substreams, of_those_who_give_alike_the_nearer_stand_above) {
  Child node;
  node.attach(8);
  node.trees.set_means({2, 1, 300'000, 1140, milliseconds{60}}, node.hood);
  const auto asks = [&](std::uint32_t peer, std::uint8_t key, milliseconds delay) {
    node.trees.on_subscribe({PeerKey{peer}, NodeTag{peer}, kStart, delay}, {kTree, key}, node.now);
    return node.trees.take_out();
  };
  asks(20, 100, milliseconds{70});
  asks(21, 100, milliseconds{10});
  EXPECT_THAT(node.asked<Redirect>(asks(22, 80, milliseconds{10})), ElementsAre(PeerKey{20}));
  EXPECT_THAT(node.asked<Refuse>(asks(23, 100, milliseconds{60})), ElementsAre(PeerKey{23}));
  EXPECT_EQ(node.trees.weakest_rank(kTree), 70);
  EXPECT_THAT(node.asked<Redirect>(asks(24, 254, milliseconds{60})), IsEmpty());
  EXPECT_THAT(node.asked<Redirect>(asks(24, 254, milliseconds{20})), ElementsAre(PeerKey{22}));
}

TEST(Substreams, who_gives_anything_comes_before_who_gives_nothing_however_far) {
  Child node;
  node.attach(8);
  node.trees.set_means({1, 0.1, 300'000, 1140, milliseconds{60}}, node.hood);
  node.trees.on_subscribe({PeerKey{20}, NodeTag{20}, kStart, milliseconds{1}}, {kTree, 0}, node.now);
  static_cast<void>(node.trees.take_out());
  node.trees.on_subscribe({PeerKey{21}, NodeTag{21}, kStart, seconds{1}}, {kTree, 1}, node.now);
  EXPECT_THAT(node.asked<Redirect>(node.trees.take_out()), ElementsAre(PeerKey{20}));
}

TEST(Substreams, a_child_that_was_sent_away_and_comes_back_is_a_child_again) {
  Child node;
  node.attach(8);
  node.trees.set_means({2, 1, 300'000, 1140, milliseconds{60}}, node.hood);
  for (const std::uint32_t i : {20U, 21U}) node.trees.on_subscribe({PeerKey{i}, NodeTag{i}, kStart}, {kTree, 8}, node.now);
  node.trees.on_subscribe({PeerKey{22}, NodeTag{22}, kStart}, {kTree, 13}, node.now);
  ASSERT_THAT(node.asked<Redirect>(node.trees.take_out()), ElementsAre(PeerKey{20}));
  node.trees.on_unsubscribe(PeerKey{21}, {kTree}, node.now);
  node.trees.on_subscribe({PeerKey{20}, NodeTag{20}, kStart}, {kTree, 8}, node.now);
  EXPECT_THAT(node.asked<Accept>(node.trees.take_out()), ElementsAre(PeerKey{20}));
  EXPECT_EQ(node.trees.children(), 2U) << "once";
  node.wait(milliseconds{700});
  node.tick();
  EXPECT_TRUE(node.trees.is_child(PeerKey{20}));
}

TEST(Substreams, a_child_that_is_gone_without_a_word_is_fed_no_longer) {
  Child node;
  node.attach(7);
  for (const std::uint32_t i : {20U, 21U}) node.trees.on_subscribe({PeerKey{i}, NodeTag{i}, kStart}, {kTree, 8}, node.now);
  node.tick();
  ASSERT_EQ(node.trees.children(), 2U);
  for (int i = 0; i < 4; ++i) {
    const base::Time heard = node.hood.find(PeerKey{20})->heard;
    node.wait(milliseconds{400});
    node.hood.find(PeerKey{20})->heard = heard;
    node.tick();
    EXPECT_EQ(node.trees.is_child(PeerKey{20}), i < 3) << i;
  }
  EXPECT_TRUE(node.trees.is_child(PeerKey{21}));
}

TEST(Substreams, a_child_that_is_quiet_gives_up_its_place_and_is_fed_if_it_comes_back) {
  Child node;
  node.attach(8);
  node.trees.set_means({2, 1, 300'000, 1140, milliseconds{60}}, node.hood);
  for (const std::uint32_t i : {20U, 21U}) node.trees.on_subscribe({PeerKey{i}, NodeTag{i}, kStart}, {kTree, 40}, node.now);
  const auto sent_as = [&](std::uint32_t peer) {
    std::optional<SendClass> found;
    node.trees.for_children(kTree, [&](PeerKey child, SendClass is) {
      if (child == PeerKey{peer}) found = is;
    });
    return found;
  };
  EXPECT_EQ(sent_as(20), SendClass::onward);
  EXPECT_EQ(node.trees.room(), 0);
  const base::Time heard = node.hood.find(PeerKey{20})->heard;
  node.wait(milliseconds{500});
  const auto look = [&] {   // at the children
    node.now += milliseconds{100};
    node.tick();
  };
  node.hood.find(PeerKey{20})->heard = heard;
  look();
  EXPECT_EQ(sent_as(20), SendClass::spare);
  EXPECT_EQ(sent_as(21), SendClass::onward);
  EXPECT_EQ(node.trees.room(), 2);
  node.trees.on_subscribe({PeerKey{22}, NodeTag{22}, kStart}, {kTree, 8}, node.now);
  EXPECT_THAT(node.asked<Accept>(node.trees.take_out()), ElementsAre(PeerKey{22}));
  node.hood.heard(PeerKey{20}, node.now);
  look();
  EXPECT_EQ(sent_as(20), SendClass::onward);
}

TEST(Substreams, who_gives_nothing_comes_last_and_makes_room_for_anyone) {
  Child node;
  node.attach(8);
  node.trees.set_means({0, 0, 300'000, 1140, milliseconds{60}}, node.hood);
  EXPECT_EQ(node.trees.key(kTree), 0);
  node.trees.set_means({0.1, 0.01, 300'000, 1140, milliseconds{60}}, node.hood);
  EXPECT_GE(node.trees.key(kTree), Substreams::kGiverKey);
  node.trees.set_means({1, 1, 300'000, 1140, milliseconds{60}}, node.hood);
  node.trees.on_subscribe({PeerKey{20}, NodeTag{20}, kStart}, {kTree, 0}, node.now);
  node.trees.for_children(kTree, [](PeerKey, SendClass is) { EXPECT_EQ(is, SendClass::spare); });
  node.trees.on_subscribe({PeerKey{21}, NodeTag{21}, kStart}, {kTree, Substreams::kGiverKey}, node.now);
  const auto out = node.trees.take_out();
  EXPECT_THAT(node.asked<Redirect>(out), ElementsAre(PeerKey{20}));
  EXPECT_THAT(node.asked<Accept>(out), ElementsAre(PeerKey{20}, PeerKey{21}));
}

// Half of a stream plays nowhere: so what is left goes to the first who came, whole.
TEST(Substreams, of_those_who_give_nothing_the_first_to_come_is_served_and_the_others_are_told_their_place) {
  Child node;
  node.attach(8);
  node.trees.set_means({1, 1, 300'000, 1140, milliseconds{60}}, node.hood);
  const auto ask = [&](std::uint32_t peer, seconds met) {
    node.trees.on_subscribe({PeerKey{peer}, NodeTag{peer}, kStart + met}, {kTree, 0}, node.now);
    return node.trees.take_out();
  };
  EXPECT_THAT(node.asked<Accept>(ask(20, seconds{5})), ElementsAre(PeerKey{20}));
  const auto later = ask(21, seconds{7});
  ASSERT_THAT(node.asked<Refuse>(later), ElementsAre(PeerKey{21}));
  EXPECT_EQ(std::get<Refuse>(later[0].message).place, 1);
  const auto sooner = ask(22, seconds{3});
  EXPECT_THAT(node.asked<Redirect>(sooner), ElementsAre(PeerKey{20}));
  EXPECT_THAT(node.asked<Accept>(sooner), ElementsAre(PeerKey{22}));
  const auto again = ask(20, seconds{5});
  ASSERT_THAT(node.asked<Refuse>(again), ElementsAre(PeerKey{20}));
  EXPECT_EQ(std::get<Refuse>(again[0].message).place, 1) << "ahead of 21";
  EXPECT_EQ(std::get<Refuse>(ask(21, seconds{7})[0].message).place, 2);

  node.trees.on_subscribe({PeerKey{23}, NodeTag{23}, kStart + seconds{9}}, {kTree, Substreams::kGiverKey}, node.now);
  node.trees.on_subscribe({PeerKey{24}, NodeTag{24}, kStart + seconds{9}}, {kTree, Substreams::kGiverKey}, node.now);
  const auto givers = node.trees.take_out();
  ASSERT_THAT(node.asked<Refuse>(givers), ElementsAre(PeerKey{24}));
  EXPECT_EQ(std::get<Refuse>(givers.back().message).place, 0) << "who gives does not wait in this line";
}

TEST(Substreams, who_is_told_a_place_knows_it_until_it_is_served_or_told_no_more) {
  Child child;
  child.trees.set_means({0, 0, 300'000, 1140, milliseconds{60}}, child.hood);
  child.tell(7, 12, 0);
  child.tell(8, 25, 0);
  ASSERT_THAT(child.asked<Subscribe>(child.tick()), ElementsAre(PeerKey{7})) << "it may have room for one who came before others";
  EXPECT_EQ(child.trees.place(child.now), std::nullopt);
  child.trees.on_refuse(PeerKey{7}, {kTree, Refuse::Reason::full, NodeTag{8}, 4}, child.hood, child.now);
  EXPECT_EQ(child.trees.place(child.now), 4U);
  EXPECT_THAT(child.asked<Subscribe>(child.tick()), IsEmpty()) << "others have no room either";
  child.wait(milliseconds{1'501});
  const auto out = child.asked<Subscribe>(child.tick());
  ASSERT_EQ(out.size(), 1U);
  child.trees.on_refuse(out[0], {kTree, Refuse::Reason::full, kNobody, 3}, child.hood, child.now);
  EXPECT_EQ(child.trees.place(child.now), 4U) << "the middle";
  EXPECT_EQ(child.trees.place(child.now + WaitingLine::kPatience + milliseconds{1}), std::nullopt);
}

TEST(Substreams, who_accepts_too_late_is_told_that_another_was_found) {
  Child child;
  child.attach(8);
  child.trees.on_accept(PeerKey{7}, {kTree, {NodeTag{99}, NodeTag{7}}}, child.now);
  EXPECT_EQ(child.trees.parent(kTree), PeerKey{8});
  EXPECT_THAT(child.asked<Unsubscribe>(child.trees.take_out()), ElementsAre(PeerKey{7}));
}

TEST(Substreams, a_parent_that_is_gone_is_replaced_at_once) {
  for (const bool forgotten : {true, false}) {
    Child child;
    child.attach(8);
    child.wait(milliseconds{501});   // 7 refused, and may be asked again
    if (forgotten) child.trees.forget(PeerKey{8});
    child.hood.remove(PeerKey{8});
    EXPECT_THAT(child.asked<Subscribe>(child.tick()), ElementsAre(PeerKey{7}));
    EXPECT_EQ(child.trees.parent(kTree), std::nullopt);
  }
}

TEST(Substreams, who_starves_or_stands_below_the_asker_takes_no_children) {
  Child node;
  node.trees.on_subscribe({PeerKey{20}, NodeTag{20}, kStart}, {kTree, 8}, node.now);
  EXPECT_THAT(node.asked<Refuse>(node.trees.take_out()), ElementsAre(PeerKey{20}));
  node.attach(8);
  node.trees.on_subscribe({PeerKey{20}, NodeTag{99}, kStart}, {kTree, 8}, node.now);   // it stands in our path
  EXPECT_THAT(node.asked<Refuse>(node.trees.take_out()), ElementsAre(PeerKey{20}));
  node.trees.on_subscribe({PeerKey{8}, NodeTag{8}, kStart}, {kTree, 8}, node.now);
  EXPECT_THAT(node.asked<Refuse>(node.trees.take_out()), ElementsAre(PeerKey{8}));
}

TEST(Substreams, the_source_has_a_quota_in_each_tree) {
  Substreams source{kSelf, true, base::Rng{1}};
  for (std::uint32_t i = 20; i < 20 + Substreams::kSourceQuota + 1; ++i)
    source.on_subscribe({PeerKey{i}, NodeTag{i}, kStart}, {kTree, 8}, kStart);
  EXPECT_EQ(source.children(), Substreams::kSourceQuota);
  source.on_subscribe({PeerKey{20}, NodeTag{20}, kStart}, {kTree + 1, 8}, kStart);
  EXPECT_EQ(source.children(), Substreams::kSourceQuota + 1);
}

// A source with two children in kTree that claim the most, and four viewers who are fed by way of `root`.
struct Source {
  explicit Source(NodeTag root) {
    for (const std::uint32_t i : {20U, 21U}) trees.on_subscribe({PeerKey{i}, NodeTag{i}, kStart}, {kTree, 254}, kStart);
    Roots roots;
    roots.roots.fill(root);
    for (std::uint32_t i = 30; i < 34; ++i) witnesses.on_roots(PeerKey{i}, NodeTag{i}, roots, kStart + seconds{6});
    static_cast<void>(trees.take_out());
  }
  // Who has to go for one with this key.
  std::vector<PeerKey> redirected_for(std::uint32_t peer, std::uint8_t key) {
    trees.on_subscribe({PeerKey{peer}, NodeTag{peer}, kStart}, {kTree, key}, kStart + seconds{6});
    std::vector<PeerKey> gone;
    for (const PushOut& out : trees.take_out()) {
      if (std::holds_alternative<Redirect>(out.message)) gone.push_back(out.to);
    }
    return gone;
  }
  Substreams trees{kSelf, true, base::Rng{1}};
  Witnesses witnesses;
};

TEST(Substreams, a_child_of_the_source_that_feeds_nobody_makes_room_whatever_it_claims) {
  Source source{NodeTag{21}};
  EXPECT_THAT(source.redirected_for(40, 100), IsEmpty());
  source.trees.judge(source.witnesses, kStart + seconds{4});
  EXPECT_THAT(source.redirected_for(40, 100), IsEmpty()) << "it is given time";
  source.trees.judge(source.witnesses, kStart + seconds{6});
  EXPECT_THAT(source.redirected_for(40, 100), ElementsAre(PeerKey{20}));
  EXPECT_THAT(source.redirected_for(20, 254), IsEmpty()) << "it is not believed for a while";
  EXPECT_THAT(source.redirected_for(41, 254), ElementsAre(PeerKey{40})) << "who feeds others stays";
}

TEST(Substreams, who_stands_idle_gains_nothing_by_asking_again_or_by_leaving_first) {
  Source source{NodeTag{21}};
  source.trees.judge(source.witnesses, kStart + seconds{6});
  EXPECT_THAT(source.redirected_for(20, 254), IsEmpty());
  EXPECT_EQ(source.trees.weakest_rank(kTree), Substreams::kGiverKey);
  source.trees.on_unsubscribe(PeerKey{20}, {kTree}, kStart + seconds{6});
  EXPECT_THAT(source.redirected_for(20, 254), IsEmpty());
  EXPECT_TRUE(source.trees.is_child(PeerKey{20}));
  EXPECT_EQ(source.trees.weakest_rank(kTree), Substreams::kGiverKey);
}

TEST(Substreams, who_stood_idle_takes_nobodys_place_and_makes_room) {
  Source source{NodeTag{21}};
  source.trees.judge(source.witnesses, kStart + seconds{6});
  ASSERT_THAT(source.redirected_for(40, 100), ElementsAre(PeerKey{20}));
  source.trees.on_unsubscribe(PeerKey{20}, {kTree}, kStart + seconds{6});
  source.trees.on_unsubscribe(PeerKey{40}, {kTree}, kStart + seconds{6});
  EXPECT_THAT(source.redirected_for(20, 254), IsEmpty()) << "there is room";
  EXPECT_TRUE(source.trees.is_child(PeerKey{20}));
  EXPECT_EQ(source.trees.weakest_rank(kTree), Substreams::kGiverKey) << "whatever it claims";
  EXPECT_THAT(source.redirected_for(41, 5), IsEmpty());
  EXPECT_THAT(source.redirected_for(41, 6), ElementsAre(PeerKey{20})) << "stronger by half a slot";
  EXPECT_THAT(source.redirected_for(20, 254), IsEmpty()) << "and does not come back";
}

TEST(Substreams, where_all_children_of_the_source_feed_nobody_whoever_gives_has_a_place) {
  Source source{NodeTag{77}};   // an island: it is no child any more
  EXPECT_THAT(source.redirected_for(40, Substreams::kGiverKey), IsEmpty());
  source.trees.judge(source.witnesses, kStart + seconds{6});
  EXPECT_EQ(source.trees.weakest_rank(kTree), 0) << "so that the weakest ask as well";
  EXPECT_THAT(source.redirected_for(40, 0), IsEmpty()) << "it gives nothing either";
  const auto gone = source.redirected_for(41, Substreams::kGiverKey);
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(source.trees.weakest_rank(kTree), Substreams::kGiverKey);
  EXPECT_THAT(source.redirected_for(42, Substreams::kGiverKey), IsEmpty()) << "the one who came is given time";
  EXPECT_THAT(source.redirected_for(gone[0].value(), 254), IsEmpty());
}

TEST(Substreams, two_who_feed_a_few_each_need_not_go_for_the_weak) {
  Source source{kNobody};
  for (const std::uint32_t i : {20U, 21U}) {
    Roots roots;
    roots.roots.fill(NodeTag{i});
    source.witnesses.on_roots(PeerKey{i + 14}, NodeTag{i + 14}, roots, kStart + seconds{6});   // 34 and 35, of six
  }
  source.trees.judge(source.witnesses, kStart + seconds{6});
  EXPECT_EQ(source.trees.weakest_rank(kTree), Substreams::kGiverKey);
  EXPECT_THAT(source.redirected_for(41, Substreams::kGiverKey), IsEmpty());
  EXPECT_THAT(source.redirected_for(42, 100), testing::SizeIs(1)) << "as ever";
}

TEST(Substreams, tells_by_way_of_whom_it_is_fed) {
  Child node;
  EXPECT_EQ(node.trees.roots(node.hood, node.now), Roots{});
  node.attach(8);
  Roots wanted;
  wanted.roots[kTree] = NodeTag{8};   // the path is the source's, then that of its child
  EXPECT_EQ(node.trees.roots(node.hood, node.now), wanted);
  node.trees.on_path(PeerKey{8}, {kTree, {NodeTag{8}}}, node.now);
  wanted.roots[kTree] = kSelf;
  EXPECT_EQ(node.trees.roots(node.hood, node.now), wanted) << "by the source itself";
  node.tell(8, Advert::kNotFed);
  EXPECT_EQ(node.trees.roots(node.hood, node.now), Roots{}) << "what its parent asked others for is nobody's merit above";
}

TEST(Substreams, lets_children_go_when_the_line_turns_out_to_be_slower) {
  Child node;
  node.attach(8);
  for (const std::uint32_t i : {20U, 21U, 22U})
    node.trees.on_subscribe({PeerKey{i}, NodeTag{i}, kStart}, {kTree, static_cast<std::uint8_t>(i)}, node.now);
  static_cast<void>(node.trees.take_out());
  node.trees.set_means({1, 0.1, 300'000, 1140, milliseconds{60}}, node.hood);
  EXPECT_THAT(node.asked<Redirect>(node.tick()), ElementsAre(PeerKey{20}));
  node.wait(milliseconds{200});
  EXPECT_THAT(node.asked<Redirect>(node.tick()), ElementsAre(PeerKey{21}));
  node.wait(milliseconds{200});
  EXPECT_THAT(node.asked<Redirect>(node.tick()), IsEmpty());
}

TEST(Substreams, new_paths_are_passed_on_and_told_again) {
  Child node;
  node.attach(8);
  node.trees.on_subscribe({PeerKey{20}, NodeTag{20}, kStart}, {kTree, 8}, node.now);
  static_cast<void>(node.trees.take_out());
  node.trees.on_path(PeerKey{8}, {kTree, {NodeTag{99}, NodeTag{5}, NodeTag{8}}}, node.now);
  const auto out = node.trees.take_out();
  ASSERT_THAT(node.asked<PathNews>(out), ElementsAre(PeerKey{20}));
  EXPECT_EQ(std::get<PathNews>(out[0].message).path, (Path{NodeTag{99}, NodeTag{5}, NodeTag{8}, kSelf}));
  node.wait(seconds{2});
  EXPECT_THAT(node.asked<PathNews>(node.tick()), Contains(PeerKey{20}));
}

TEST(Substreams, a_tree_has_so_many_children_whatever_the_line_carries) {
  Child node;
  node.attach(8);
  node.trees.set_means({1e6, 1e5, 300'000, 1140, milliseconds{60}}, node.hood);
  for (std::uint32_t i = 100; i < 200; ++i) node.trees.on_subscribe({PeerKey{i}, NodeTag{i}, kStart}, {kTree, 8}, node.now);
  EXPECT_EQ(node.trees.children(), Substreams::kMaxChildren);
  node.trees.on_subscribe({PeerKey{300}, NodeTag{300}, kStart}, {kTree, 200}, node.now);
  EXPECT_EQ(node.trees.children(), Substreams::kMaxChildren) << "nor do those who are let go make it more";
}

TEST(Substreams, who_feeds_us_by_mistake_is_told) {
  Child child;
  child.attach(8);
  child.trees.on_path(PeerKey{7}, {kTree, {NodeTag{99}, NodeTag{7}}}, child.now);
  EXPECT_THAT(child.asked<Unsubscribe>(child.trees.take_out()), ElementsAre(PeerKey{7})) << "by its word";
  child.trees.stray(kTree, PeerKey{7}, child.now);
  child.trees.stray(kTree, PeerKey{7}, child.now);
  EXPECT_THAT(child.asked<Unsubscribe>(child.trees.take_out()), ElementsAre(PeerKey{7})) << "by its chunks, and not for each of them";
  child.trees.stray(kTree, PeerKey{8}, child.now + seconds{1});
  EXPECT_THAT(child.trees.take_out(), IsEmpty()) << "the parent may";
}

// ---- towards the source ---------------------------------------------------------------------------------------------

// Fed by 8, whose path is told; at home in all trees or in one other.
struct Climber : Child {
  static constexpr NodeTag kSource{99};
  static constexpr std::uint32_t kAbove = 50;

  explicit Climber(bool home) {
    if (home) trees.set_means({12.0 * kSubstreams, 12, 300'000, 1140, milliseconds{60}}, hood);
    attach(8);
    trees.on_path(PeerKey{8}, {kTree, {kSource, NodeTag{kAbove}, NodeTag{8}}}, now);
  }
  void meets_whom_is_above(std::uint8_t lag) {
    hood.add(PeerKey{kAbove}, NodeTag{kAbove}, now);
    tell(kAbove, lag);
  }
  std::vector<PushOut> introductions() {
    std::vector<PushOut> out = tick();
    std::erase_if(out, [](const PushOut& one) { return !std::holds_alternative<Introduce>(one.message); });
    return out;
  }
};

TEST(Substreams, where_a_node_feeds_many_it_meets_whoever_feeds_its_parent) {
  Climber climber{true};
  const auto asked = climber.introductions();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].to, PeerKey{8});
  EXPECT_EQ(std::get<Introduce>(asked[0].message).whom, NodeTag{Climber::kAbove});
  climber.wait(seconds{3});
  EXPECT_THAT(climber.introductions(), IsEmpty()) << "once in a while";
  EXPECT_THAT(Climber{false}.introductions(), IsEmpty()) << "it feeds few there";
}

TEST(Substreams, a_node_that_is_near_the_source_goes_no_further) {
  Climber climber{true};
  climber.trees.on_path(PeerKey{8}, {kTree, {Climber::kSource, NodeTag{8}}}, climber.now);
  EXPECT_THAT(climber.introductions(), IsEmpty());
  EXPECT_FALSE(climber.trees.looks_up_to(Climber::kSource, climber.now));
}

TEST(Substreams, a_node_goes_up_to_whom_it_was_introduced_to_where_that_is_better_by_far) {
  for (const bool far_better : {true, false}) {
    Climber climber{true};
    ASSERT_EQ(climber.introductions().size(), 1U);
    climber.meets_whom_is_above(far_better ? 1 : 20);   // 8, or 160 of 200 ms
    EXPECT_TRUE(climber.trees.looks_up_to(NodeTag{Climber::kAbove}, climber.now));
    climber.wait(seconds{2});
    EXPECT_EQ(climber.asked<Subscribe>(climber.tick()), far_better ? std::vector{PeerKey{Climber::kAbove}} : std::vector<PeerKey>{});
  }
}

TEST(Substreams, an_old_acquaintance_above_is_one_of_many) {
  Climber climber{true};
  climber.meets_whom_is_above(20);
  EXPECT_THAT(climber.introductions(), IsEmpty());
  EXPECT_FALSE(climber.trees.looks_up_to(NodeTag{Climber::kAbove}, climber.now));
}

TEST(Substreams, what_was_told_long_ago_takes_nobody_up) {
  Climber climber{true};
  ASSERT_EQ(climber.introductions().size(), 1U);
  climber.meets_whom_is_above(1);
  climber.now += seconds{2};
  climber.hood.heard(PeerKey{8}, climber.now);
  EXPECT_THAT(climber.asked<Subscribe>(climber.tick()), IsEmpty());
  climber.now += milliseconds{100};
  climber.tell(Climber::kAbove, 1);
  climber.hood.heard(PeerKey{8}, climber.now);
  EXPECT_THAT(climber.asked<Subscribe>(climber.tick()), ElementsAre(PeerKey{Climber::kAbove})) << "as soon as it tells again";
}

TEST(Substreams, a_node_in_many_trees_asks_one_after_the_other) {
  Climber climber{true};
  std::set<std::uint32_t> asked_for;
  for (std::uint8_t tree = 0; tree < 4; ++tree) {
    climber.trees.on_redirect(PeerKey{7}, {tree, kNobody}, climber.hood, climber.now);
    if (tree != kTree) climber.trees.on_accept(PeerKey{7}, {tree, {Climber::kSource, NodeTag{60U + tree}, NodeTag{7}}}, climber.now);
  }
  for (int i = 0; i < 10; ++i) {
    for (const PushOut& one : climber.introductions()) asked_for.insert(std::get<Introduce>(one.message).whom.value());
    climber.wait(milliseconds{100});
  }
  EXPECT_THAT(asked_for, testing::ElementsAre(Climber::kAbove, 60, 61, 62));
}

TEST(Substreams, a_child_is_introduced_to_our_parent_where_that_would_take_it) {
  Child node;
  node.attach(8);
  node.trees.on_subscribe({PeerKey{20}, NodeTag{20}, kStart}, {kTree, 40}, node.now);
  EXPECT_EQ(node.trees.introduces(PeerKey{20}, NodeTag{8}, node.hood), PeerKey{8});
  EXPECT_FALSE(node.trees.introduces(PeerKey{21}, NodeTag{8}, node.hood)) << "no child of ours";
  for (const NodeTag whom : {NodeTag{7}, NodeTag{20}, NodeTag{99}, kSelf, kNobody})
    EXPECT_FALSE(node.trees.introduces(PeerKey{20}, whom, node.hood)) << "a path names others, whom we do not know, or need not tell of";
  const auto full_of = [&](std::uint8_t rank) {
    Advert advert = *node.hood.find(PeerKey{8})->advert;
    advert.room = 0;
    advert.weakest_rank.fill(rank);
    node.hood.on_advert(PeerKey{8}, advert, node.now);
    return !node.trees.introduces(PeerKey{20}, NodeTag{8}, node.hood);
  };
  EXPECT_TRUE(full_of(40));
  EXPECT_FALSE(full_of(30)) << "the weakest makes room for it";
}

TEST(Substreams, so_many_hints_are_followed_in_a_row) {
  Child child;
  for (std::uint32_t i = 20; i < 40; ++i) child.hood.add(PeerKey{i}, NodeTag{i}, child.now);   // they offer nothing
  auto asked = child.asked<Subscribe>(child.tick());
  int followed = 0;
  for (std::uint32_t i = 20; i < 40 && !asked.empty(); ++i, ++followed) {
    child.trees.on_refuse(asked[0], {kTree, Refuse::Reason::full, NodeTag{i}}, child.hood, child.now);
    asked = child.asked<Subscribe>(child.tick());
    if (!asked.empty() && asked[0] != PeerKey{i}) break;
  }
  EXPECT_EQ(followed, Substreams::kMaxHints);
}

TEST(Substreams, so_many_who_refused_are_remembered) {
  Child child;
  constexpr std::uint32_t kMany = 2 * Substreams::kMaxAvoided;
  for (std::uint32_t i = 100; i < 100 + kMany; ++i) {
    child.hood.add(PeerKey{i}, NodeTag{i}, child.now);
    child.tell(i, 1);
  }
  std::uint32_t refusals = 0;
  std::vector<PeerKey> asked = child.asked<Subscribe>(child.tick());
  std::vector<PeerKey> all;
  for (; !asked.empty() && refusals < kMany; ++refusals) {
    EXPECT_THAT(all, testing::Not(Contains(asked[0]))) << "whoever is remembered is not asked again at once";
    all.push_back(asked[0]);
    if (all.size() == Substreams::kMaxAvoided) all.clear();   // the table was full and began anew
    child.trees.on_refuse(asked[0], {kTree, Refuse::Reason::full, kNobody}, child.hood, child.now);
    asked = child.asked<Subscribe>(child.tick());
  }
  EXPECT_GE(refusals, static_cast<std::uint32_t>(Substreams::kMaxAvoided));
}

}  // namespace
}  // namespace runnel::swarm
