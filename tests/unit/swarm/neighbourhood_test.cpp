#include "core/swarm/neighbourhood.hpp"

#include <gtest/gtest.h>

namespace runnel::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr base::Time kNow{seconds{5000}};

Advert advert(std::uint16_t uplink) {
  Advert advert;
  advert.uplink = uplink;
  advert.lag.fill(10);
  return advert;
}

TEST(Neighbourhood, round_trips_are_told_by_the_echo_and_the_least_counts) {
  Neighbourhood hood{base::Rng{1}};
  ASSERT_TRUE(hood.add(PeerKey{1}, NodeTag{11}, kNow));
  Advert answer = advert(256);
  answer.echo_us = low_us(kNow) - 150'000;
  answer.held_us = 70'000;
  hood.on_advert(PeerKey{1}, answer, kNow);
  EXPECT_EQ(hood.find(PeerKey{1})->rtt, milliseconds{80});
  EXPECT_EQ(hood.find(PeerKey{1})->delay(), milliseconds{40});
  answer.held_us = 10'000;   // it stood in a queue
  hood.on_advert(PeerKey{1}, answer, kNow);
  EXPECT_LT(*hood.find(PeerKey{1})->rtt, milliseconds{83});
  answer.held_us = 3'000'000'000;   // nonsense
  hood.on_advert(PeerKey{1}, answer, kNow);
  EXPECT_LT(*hood.find(PeerKey{1})->rtt, milliseconds{83});
  EXPECT_EQ(hood.find_tag(NodeTag{11}), PeerKey{1});
  EXPECT_EQ(hood.find_tag(kNobody), std::nullopt);
}

TEST(Neighbourhood, who_answers_nothing_makes_room_until_it_is_heard_again) {
  Neighbourhood hood{base::Rng{1}};
  constexpr std::uint32_t kMany = Neighbourhood::kNearest + Neighbourhood::kStrongest + Neighbourhood::kRandom + 6;
  for (std::uint32_t i = 1; i <= kMany; ++i) hood.add(PeerKey{i}, NodeTag{i}, kNow);
  for (std::uint32_t i = 1; i <= 3; ++i) {   // the strongest, and then they are gone
    hood.on_advert(PeerKey{i}, advert(1024), kNow);
    hood.heard(PeerKey{i}, kNow);
  }
  hood.choose(kNow);
  for (std::uint32_t i = 1; i <= 3; ++i) EXPECT_TRUE(hood.find(PeerKey{i})->close);
  base::Time now = kNow;
  const auto pass = [&](base::Duration time) {
    now += time;
    for (auto& [peer, neighbour] : hood.all()) {
      if (peer.value() > 3 && neighbour.close) hood.heard(peer, now);
    }
    hood.choose(now);
  };
  pass(Neighbourhood::kMute);
  for (std::uint32_t i = 1; i <= 3; ++i) EXPECT_TRUE(hood.find(PeerKey{i})->close) << "not yet";
  pass(seconds{1});
  std::size_t close = 0;
  for (const auto& [peer, neighbour] : hood.all()) close += neighbour.close;
  EXPECT_EQ(close, kMany - 6) << "others have their places";
  for (std::uint32_t i = 1; i <= 3; ++i) EXPECT_FALSE(hood.find(PeerKey{i})->close);
  hood.heard(PeerKey{1}, now);
  pass(seconds{1});
  EXPECT_TRUE(hood.find(PeerKey{1})->close) << "and is strong again";
}

TEST(Neighbourhood, the_nearest_the_strongest_and_some_others_are_chosen) {
  Neighbourhood hood{base::Rng{1}};
  for (std::uint32_t i = 1; i <= 60; ++i) {
    hood.add(PeerKey{i}, NodeTag{i}, kNow);
    Advert one = advert(static_cast<std::uint16_t>(i == 50 ? 1024 : 200));
    one.echo_us = low_us(kNow) - i * 2000;
    hood.on_advert(PeerKey{i}, one, kNow);
  }
  hood.choose(kNow);
  std::size_t close = 0;
  std::size_t partners = 0;
  for (const auto& [peer, neighbour] : hood.all()) {
    close += neighbour.close;
    partners += neighbour.partner;
    EXPECT_TRUE(neighbour.close || !neighbour.partner);
  }
  EXPECT_EQ(close, Neighbourhood::kNearest + Neighbourhood::kStrongest + Neighbourhood::kRandom);
  EXPECT_EQ(partners, Neighbourhood::kPartners);
  for (std::uint32_t i = 1; i <= Neighbourhood::kNearest; ++i) EXPECT_TRUE(hood.find(PeerKey{i})->close) << i;
  for (std::uint32_t i = 1; i <= Neighbourhood::kNearPartners; ++i) EXPECT_TRUE(hood.find(PeerKey{i})->partner) << i;
  EXPECT_TRUE(hood.find(PeerKey{50})->close) << "the strongest";
}

TEST(Neighbourhood, there_are_so_many_neighbours_and_of_each_so_many_munros) {
  Neighbourhood hood{base::Rng{1}};
  for (std::uint32_t i = 1; i <= Neighbourhood::kMaxNeighbours; ++i) EXPECT_TRUE(hood.add(PeerKey{i}, NodeTag{i}, kNow));
  EXPECT_FALSE(hood.add(PeerKey{9999}, NodeTag{9999}, kNow));
  HaveView view;
  for (std::uint64_t i = 0; i < 3 * HaveView::kMaxMunros; ++i) view.add(chunk_of(i, 3));
  EXPECT_EQ(view.size(), HaveView::kMaxMunros);
  view.add(chunk_of(0, 0));
  EXPECT_FALSE(view.has_any(0)) << "older than all that are kept";
  EXPECT_TRUE(view.has(chunk_of(3 * HaveView::kMaxMunros - 1, 3)));
  EXPECT_FALSE(view.has(chunk_of(3 * HaveView::kMaxMunros - 1, 4)));
  view.add(MunroMap{{{3 * HaveView::kMaxMunros, true, 0}}});
  EXPECT_TRUE(view.has(chunk_of(3 * HaveView::kMaxMunros, 31)));
}

TEST(Neighbourhood, of_what_is_shown_again_and_again_only_the_news_is_told) {
  Neighbourhood hood{base::Rng{1}};
  ASSERT_TRUE(hood.add(PeerKey{1}, NodeTag{11}, kNow));
  const MunroMap map{{{7, false, 0b0110}, {8, true, 0}}};
  EXPECT_EQ(hood.on_have(PeerKey{1}, map, kNow), map);
  EXPECT_EQ(hood.on_have(PeerKey{1}, map, kNow), MunroMap{});
  EXPECT_EQ(hood.on_have(PeerKey{1}, {{{7, false, 0b1110}, {8, false, 1}}}, kNow), (MunroMap{{{7, false, 0b1000}}}));
  EXPECT_EQ(hood.on_have(PeerKey{1}, {{{7, true, 0}}}, kNow), (MunroMap{{{7, true, 0}}})) << "the bundle is there as well";
  EXPECT_EQ(hood.on_have(PeerKey{2}, map, kNow), MunroMap{}) << "nobody knows it";
}

TEST(Neighbourhood, of_delays_the_greatest_since_the_last_word_counts_though_clocks_wrap) {
  Neighbourhood hood{base::Rng{1}};
  ASSERT_TRUE(hood.add(PeerKey{1}, NodeTag{11}, kNow));
  for (const std::uint32_t delay : {0xffff'ff00U, 0x0000'0100U, 0xffff'fff0U}) hood.timed(PeerKey{1}, delay);
  EXPECT_EQ(hood.find(PeerKey{1})->delay_us, 0x100U);
}

// A machine with too much to do lets us sleep: what was not heard meanwhile is nobody's silence.
TEST(Neighbourhood, while_we_were_away_nobody_was_silent) {
  Neighbourhood hood{base::Rng{1}};
  ASSERT_TRUE(hood.add(PeerKey{1}, NodeTag{11}, kNow));
  ASSERT_TRUE(hood.add(PeerKey{2}, NodeTag{12}, kNow));
  const base::Time then = kNow + seconds{2};
  hood.heard(PeerKey{2}, then - milliseconds{100});
  hood.excuse(milliseconds{1'900}, then);
  EXPECT_EQ(hood.find(PeerKey{1})->heard, then - milliseconds{100});
  EXPECT_EQ(hood.find(PeerKey{2})->heard, then) << "and never later than now";
}

}  // namespace
}  // namespace runnel::swarm
