#include "unit/net/sealer_fixture.hpp"

namespace runnel::net {
namespace {

using namespace test;

TEST_F(Pair, a_call_and_its_answer_arrive_and_name_the_swarm) {
  send(a, call_datagram(), Sealing{kFilm, kA});
  deliver_all();
  ASSERT_EQ(b.got.size(), 1U);
  EXPECT_EQ(b.got[0].first, call_datagram());
  EXPECT_EQ(b.got[0].second, kFilm);
  send(b, answer_datagram(kA, kB), Sealing{kFilm, kB});
  deliver_all();
  ASSERT_EQ(a.got.size(), 1U);
  EXPECT_EQ(a.got[0].first, answer_datagram(kA, kB));
  EXPECT_EQ(a.got[0].second, kFilm);
}

TEST_F(Pair, then_datagrams_are_sealed_both_ways_and_the_handshake_is_gone) {
  meet();
  EXPECT_FALSE(a.sealer->next_deadline(now)) << "no handshake is left to wait for";
  EXPECT_FALSE(b.sealer->next_deadline(now));
  seen.clear();
  for (std::uint8_t i = 0; i < 20; ++i) {
    send(a, channel_datagram(kB, 1000, i), Sealing{kFilm, kA});
    send(b, channel_datagram(kA, 1000, i), Sealing{kFilm, kB});
  }
  deliver_all();
  ASSERT_EQ(a.got.size(), 20U);
  ASSERT_EQ(b.got.size(), 20U);
  for (std::uint8_t i = 0; i < 20; ++i) {
    EXPECT_EQ(a.got[i].first, channel_datagram(kA, 1000, i));
    EXPECT_EQ(b.got[i].first, channel_datagram(kB, 1000, i));
  }
  for (const Bytes& bytes : seen) EXPECT_EQ(bytes.size(), 1000 + kSealedOverhead);
}

TEST_F(Pair, how_long_a_datagram_waited_to_be_read_is_passed_on) {
  waits = std::chrono::milliseconds{7};   // and looked at with each delivery
  meet();
  send(a, channel_datagram(kB), Sealing{kFilm, kA});
  send(a, call_datagram(), std::nullopt);
  deliver_all();
  EXPECT_EQ(b.got.size(), 2U);
}

TEST_F(Pair, a_train_keeps_its_bounds) {
  meet();
  Bytes train;
  for (std::uint8_t i = 0; i < 10; ++i) {
    const Bytes one = channel_datagram(kB, i == 9 ? 30 : 100, i);
    train.insert(train.end(), one.begin(), one.end());
  }
  send(a, train, Sealing{kFilm, kA}, 100);
  deliver_all();
  ASSERT_EQ(b.got.size(), 10U);
  for (std::uint8_t i = 0; i < 10; ++i) EXPECT_EQ(b.got[i].first, channel_datagram(kB, i == 9 ? 30 : 100, i));
}

TEST_F(Pair, what_is_not_to_be_sealed_passes_as_it_is) {
  send(a, call_datagram(), std::nullopt);
  send(a, channel_datagram(kB), std::nullopt);
  deliver_all();
  ASSERT_EQ(b.got.size(), 2U);
  EXPECT_EQ(b.got[0], std::pair(call_datagram(), std::optional<SwarmHandle>{}));
  EXPECT_EQ(b.got[1], std::pair(channel_datagram(kB), std::optional<SwarmHandle>{}));
}

TEST_F(Pair, a_sealed_channel_takes_nothing_in_the_clear_nothing_twice_and_nothing_from_elsewhere) {
  meet();
  deliver({&b, a.at, channel_datagram(kB)});
  EXPECT_TRUE(b.got.empty());
  send(a, channel_datagram(kB), Sealing{kFilm, kA});
  const Packet packet = wire.front();
  deliver({&b, place(77), packet.bytes});
  EXPECT_TRUE(b.got.empty());
  deliver_all();
  EXPECT_EQ(b.got.size(), 1U);
  deliver(packet);
  EXPECT_EQ(b.got.size(), 1U);
  EXPECT_EQ(b.sealer->stats().rejected, 3U);
}

TEST_F(Pair, nothing_that_is_said_can_be_read_on_the_wire) {
  meet();
  send(a, channel_datagram(kB, 500, 0x5a), Sealing{kFilm, kA});
  deliver_all();
  const Bytes told(8, std::byte{0x5a});
  const Bytes called = base::to_bytes(base::ByteView{call_datagram()}.subspan(4, 8));
  for (const Bytes& bytes : seen) {
    EXPECT_TRUE(std::ranges::search(bytes, told).empty());
    EXPECT_TRUE(std::ranges::search(bytes, called).empty());
  }
}

TEST_F(Pair, an_answer_that_was_lost_is_given_again) {
  send(a, call_datagram(), Sealing{kFilm, kA});
  deliver_all();
  send(b, answer_datagram(kA, kB), Sealing{kFilm, kB});
  wire.clear();
  send(a, call_datagram(), Sealing{kFilm, kA});   // the engine repeats itself
  deliver_all();
  ASSERT_EQ(b.got.size(), 2U);
  send(b, answer_datagram(kA, kB), Sealing{kFilm, kB});
  deliver_all();
  ASSERT_EQ(a.got.size(), 1U);
  send(a, channel_datagram(kB), Sealing{kFilm, kA});
  deliver_all();
  ASSERT_EQ(b.got.size(), 3U);
  EXPECT_EQ(b.got[2].first, channel_datagram(kB));
}

TEST_F(Pair, both_call_at_once_and_both_calls_arrive) {
  for (int i = 0; i < 10; ++i) {
    a.got.clear();
    b.got.clear();
    const ChannelId local_a{0xc100'0000U + static_cast<std::uint32_t>(i)};
    const ChannelId local_b{0xc200'0000U + static_cast<std::uint32_t>(i)};
    send(a, call_datagram(3), Sealing{kFilm, local_a});
    send(b, call_datagram(4), Sealing{kFilm, local_b});
    deliver_all();
    ASSERT_EQ(a.got.size(), 1U);
    ASSERT_EQ(b.got.size(), 1U);
    EXPECT_EQ(a.got[0].first, call_datagram(4));
    EXPECT_EQ(b.got[0].first, call_datagram(3));
    // The engines settle on A's call.
    b.sealer->closed(local_b);
    const ChannelId answer{0xc300'0000U + static_cast<std::uint32_t>(i)};
    send(b, answer_datagram(local_a, answer), Sealing{kFilm, answer});
    deliver_all();
    ASSERT_EQ(a.got.size(), 2U);
    send(a, channel_datagram(answer), Sealing{kFilm, local_a});
    deliver_all();
    ASSERT_EQ(b.got.size(), 2U);
    send(b, channel_datagram(local_a, 80), Sealing{kFilm, answer});
    deliver_all();
    ASSERT_EQ(a.got.size(), 3U);
    now += kHandshakeLife;
    for (Side* side : {&a, &b}) side->sealer->on_timer(now);
    flush(a);
    flush(b);
    wire.clear();
  }
}

TEST_F(Pair, a_second_swarm_waits_for_the_first_ones_handshake) {
  for (Side* side : {&a, &b}) side->sealer->add_swarm(kOther, key_of("other", "0123456789abcdef"));
  const ChannelId second{0xc000'00aa};
  send(a, call_datagram(1), Sealing{kFilm, kA});
  send(a, call_datagram(9), Sealing{kOther, second});
  deliver_all();
  ASSERT_EQ(b.got.size(), 1U);
  send(b, answer_datagram(kA, kB), Sealing{kFilm, kB});
  deliver_all();   // resolves the first; the second begins
  send(a, channel_datagram(kB), Sealing{kFilm, kA});
  deliver_all();
  ASSERT_EQ(b.got.size(), 3U);
  EXPECT_TRUE(
      (b.got[1] == std::pair(call_datagram(9), std::optional{kOther}) || b.got[2] == std::pair(call_datagram(9), std::optional{kOther})));
}

TEST_F(Pair, a_peer_that_started_again_is_met_again) {
  meet();
  b.start(test::secret_of(3));
  send(b, call_datagram(), Sealing{kFilm, kB});
  deliver_all();
  ASSERT_EQ(a.got.size(), 1U);
  const ChannelId answer{0xc000'00cc};
  send(a, answer_datagram(kB, answer), Sealing{kFilm, answer});
  deliver_all();
  ASSERT_EQ(b.got.size(), 1U);
  send(b, channel_datagram(answer), Sealing{kFilm, kB});
  deliver_all();
  EXPECT_EQ(a.got.size(), 2U);
}

TEST_F(Pair, who_has_another_key_is_told_nothing) {
  a.sealer->add_swarm(kOther, key_of("film", "guessed secret!!"));
  b.sealer->add_swarm(kOther, key_of("film", "the right secret"));
  send(a, call_datagram(), Sealing{kOther, kA});
  deliver_all();
  EXPECT_TRUE(b.got.empty());
  EXPECT_EQ(b.sealer->stats().handshakes, 0U);
}

TEST_F(Pair, a_swarm_that_is_gone_has_no_key) {
  b.sealer->remove_swarm(kFilm);
  send(a, call_datagram(), Sealing{kFilm, kA});
  deliver_all();
  EXPECT_TRUE(b.got.empty());
}

// ---- silence --------------------------------------------------------------------------------------------------------

TEST_F(Pair, a_call_that_nobody_hears_is_told_after_half_a_second_and_once) {
  send(a, call_datagram(), Sealing{kFilm, kA});
  wire.clear();
  now += kSilence - base::Duration{1};
  a.sealer->on_timer(now);
  EXPECT_TRUE(a.sealer->take_failed().empty());
  ASSERT_TRUE(a.sealer->next_deadline(now));
  EXPECT_LE(*a.sealer->next_deadline(now), kStart + kSilence);
  now += base::Duration{1};
  a.sealer->on_timer(now);
  const auto failed = a.sealer->take_failed();
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0].local, kA);
  EXPECT_EQ(failed[0].why, swarm::CallFailed::Why::silent);
  now += kSilence;
  a.sealer->on_timer(now);
  EXPECT_TRUE(a.sealer->take_failed().empty());
  a.sealer->closed(kA);
  EXPECT_FALSE(a.sealer->next_deadline(now)) << "nothing more is said to who does not answer";
}

TEST_F(Pair, a_slow_handshake_is_not_silence) {
  send(a, call_datagram(), Sealing{kFilm, kA});
  const Packet hello = wire.front();
  wire.clear();
  deliver(hello);
  deliver(wire.front());   // a cookie comes back, and then no more
  wire.clear();
  now += 2 * kSilence;
  a.sealer->on_timer(now);
  EXPECT_TRUE(a.sealer->take_failed().empty());
}

}  // namespace
}  // namespace runnel::net
