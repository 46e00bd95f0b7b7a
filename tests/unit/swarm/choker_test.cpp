#include "core/swarm/choker.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

namespace runnel::swarm {
namespace {

using Peer = Choker::Peer;

// Ids 1..count, all asking; the higher the id, the more it gave and the less it took.
std::vector<Peer> askers(std::uint32_t count) {
  std::vector<Peer> peers;
  for (std::uint32_t id = 1; id <= count; ++id) peers.push_back({id, true, id * 1'000ULL, (count - id) * 1'000ULL});
  return peers;
}

bool serves(const std::vector<std::uint32_t>& chosen, std::uint32_t id) { return std::ranges::binary_search(chosen, id); }

TEST(Choker, with_no_more_askers_than_slots_nobody_is_choked) {
  Choker choker{base::Rng{1}};
  EXPECT_TRUE(choker.choose({}, false).empty());
  for (const std::uint32_t count : {1U, 2U, static_cast<std::uint32_t>(Choker::kSlots)})
    EXPECT_EQ(choker.choose(askers(count), false).size(), count);
  EXPECT_EQ(choker.choose(askers(Choker::kSlots + 1), false).size(), Choker::kSlots) << "one too many";
}

TEST(Choker, slots_grow_while_more_ask_and_the_uplink_has_no_queue) {
  Choker choker{base::Rng{1}};
  choker.adapt(false, Choker::kSlots);
  EXPECT_EQ(choker.choose(askers(400), true).size(), Choker::kSlots) << "nobody waited for a slot";
  for (int round = 0; round < 4; ++round) choker.adapt(false, 400);
  EXPECT_EQ(choker.choose(askers(400), true).size(), 400U);
  for (int round = 0; round < 10; ++round) choker.adapt(false, 100'000);
  EXPECT_EQ(choker.choose(askers(2 * Choker::kMaxSlots), true).size(), Choker::kMaxSlots);
  choker.adapt(true, 100'000);
  EXPECT_EQ(choker.choose(askers(2 * Choker::kMaxSlots), true).size(), Choker::kMaxSlots / 2);
  for (int round = 0; round < 10; ++round) choker.adapt(true, 100'000);
  EXPECT_EQ(choker.choose(askers(400), true).size(), Choker::kSlots);
}

TEST(Choker, the_best_givers_keep_their_slots) {
  Choker choker{base::Rng{1}};
  for (int round = 0; round < 50; ++round) {
    const auto chosen = choker.choose(askers(200), false);
    for (std::uint32_t id = 200; id > 200 - (Choker::kSlots - 1); --id)
      EXPECT_TRUE(serves(chosen, id)) << "id " << id << ", round " << round;
  }
}

TEST(Choker, a_source_keeps_the_fastest_takers) {
  Choker choker{base::Rng{1}};
  const auto chosen = choker.choose(askers(200), true);
  for (std::uint32_t id = 1; id < Choker::kSlots; ++id) EXPECT_TRUE(serves(chosen, id)) << id;
}

TEST(Choker, who_asks_for_nothing_holds_no_slot_against_who_does) {
  Choker choker{base::Rng{1}};
  auto peers = askers(100);
  for (Peer& peer : peers) peer.interested = peer.id <= Choker::kSlots - 1;   // the worst givers
  const auto chosen = choker.choose(peers, false);
  for (std::uint32_t id = 1; id <= Choker::kSlots - 1; ++id) EXPECT_TRUE(serves(chosen, id)) << id;
}

TEST(Choker, one_slot_goes_round_and_everybody_has_it_in_time) {
  Choker choker{base::Rng{7}};
  constexpr std::uint32_t kPeers = 60;
  std::set<std::uint32_t> served;
  std::uint32_t last = 0;
  int rounds = 0;
  for (int round = 0; round < 1'000; ++round) {
    const auto chosen = choker.choose(askers(kPeers), false);
    served.insert(chosen.begin(), chosen.end());
    const std::uint32_t lucky = chosen.front();   // the others are the givers, with higher ids
    ASSERT_LE(lucky, kPeers - (Choker::kSlots - 1));
    rounds = lucky == last ? rounds + 1 : 1;
    last = lucky;
    // The draw may fall on the same peer again; that it does so ten times on end has odds of 13^-10.
    EXPECT_LE(rounds, 10 * Choker::kOptimisticRounds);
  }
  EXPECT_EQ(served.size(), kPeers);
}

TEST(Choker, a_newcomer_has_time_to_show_what_it_gives) {
  Choker choker{base::Rng{3}};
  const auto lucky = [&] { return choker.choose(askers(300), false).front(); };
  std::uint32_t last = lucky();
  int kept = 1;
  int changes = 0;
  for (int round = 1; round < 300; ++round) {
    const std::uint32_t now = lucky();
    if (now == last) {
      ++kept;
      continue;
    }
    if (changes++ > 0) {
      EXPECT_GE(kept, Choker::kOptimisticRounds);
    }
    kept = 1;
    last = now;
  }
  EXPECT_GT(changes, 300 / Choker::kOptimisticRounds / 2);
}

TEST(Choker, the_round_slot_is_filled_at_once_when_its_holder_leaves) {
  Choker choker{base::Rng{5}};
  auto peers = askers(100);
  for (int round = 0; round < 40; ++round) {
    const auto chosen = choker.choose(peers, false);
    ASSERT_EQ(chosen.size(), Choker::kSlots);
    std::erase_if(peers, [&](const Peer& p) { return p.id == chosen.front(); });
  }
}

RC_GTEST_PROP(Choker, fills_its_slots_with_different_peers_that_are_here, ()) {
  Choker choker{base::Rng{*rc::gen::arbitrary<std::uint64_t>()}};
  for (int rounds = *rc::gen::inRange(1, 8); rounds > 0; --rounds) {
    std::vector<Peer> peers;
    const auto ids = *rc::gen::unique<std::vector<std::uint32_t>>(rc::gen::inRange(0U, 500U));
    for (const std::uint32_t id : ids)
      peers.push_back({id, *rc::gen::arbitrary<bool>(), *rc::gen::inRange(0ULL, 5ULL), *rc::gen::inRange(0ULL, 5ULL)});
    const auto chosen = choker.choose(peers, *rc::gen::arbitrary<bool>());
    RC_ASSERT(chosen.size() == std::min(peers.size(), Choker::kSlots));
    RC_ASSERT(std::ranges::is_sorted(chosen));
    RC_ASSERT(std::ranges::adjacent_find(chosen) == chosen.end());
    for (const std::uint32_t id : chosen) RC_ASSERT(std::ranges::find(ids, id) != ids.end());
  }
}

}  // namespace
}  // namespace runnel::swarm
