// What one engine says to a peer that is played by hand: RFC 7574 datagram by datagram.
#include "unit/swarm/hand.hpp"

namespace runnel::swarm {
namespace {

using namespace by_hand;

// ---- the handshake ----------------------------------------------------------------------------------------------------

// RFC 7574 3.1.1, 8.4; rfc7574.md P2: what comes behind option 8 may be swallowed.
TEST(ByHand, a_call_goes_to_channel_0_and_is_a_handshake_alone) {
  Hand hand{Hand::Engine::holds_nothing};
  const Talk talk = hand.input(AddPeers{kSwarm, {hand.peer}, true});
  ASSERT_EQ(talk.size(), 1U);
  EXPECT_EQ(talk[0].channel, wire::kNoChannel);
  ASSERT_EQ(talk[0].messages.size(), 1U);
  EXPECT_NE(talk[0].find<wire::Handshake>()->source, wire::kNoChannel);
}

// RFC 7574 12.1.2.
TEST(ByHand, an_answer_is_answered_at_once) {
  Hand hand{Hand::Engine::holds_nothing};
  const ChannelId theirs = hand.input(AddPeers{kSwarm, {hand.peer}, true}).at(0).find<wire::Handshake>()->source;
  const Talk talk = hand.say(theirs, [&](wire::Encoder& e) { e.handshake(hand.handshake(MessageSet::rfc(), false)); });
  ASSERT_FALSE(talk.empty());
  EXPECT_EQ(talk[0].channel, kOurs);
  EXPECT_EQ(hand.peers(), 1U);
}

// RFC 7574 3.1.1 (3).
TEST(ByHand, an_answer_to_another_channel_is_dropped_and_the_right_one_still_counts) {
  Hand hand{Hand::Engine::holds_nothing};
  const ChannelId theirs = hand.input(AddPeers{kSwarm, {hand.peer}, true}).at(0).find<wire::Handshake>()->source;
  const auto answer = [&](wire::Encoder& e) { e.handshake(hand.handshake(MessageSet::rfc(), false)); };
  EXPECT_TRUE(hand.say(ChannelId{theirs.value() ^ 1}, answer).empty());
  EXPECT_EQ(hand.peers(), 0U);
  EXPECT_FALSE(hand.say(theirs, answer).empty());
  EXPECT_EQ(hand.peers(), 1U);
}

// RFC 7574 12.1; rfc7574.md P8.
TEST(ByHand, a_channel_id_from_another_address_is_not_believed) {
  Hand hand{Hand::Engine::holds_all};
  Talk then;
  const ChannelId theirs = hand.come_in(then);
  const Endpoint thief{hand.peer.address, 7'001};
  const auto request = [](wire::Encoder& e) { e.request(range(0, 0)); };
  EXPECT_TRUE(hand.say_from(thief, theirs, request).empty());
  EXPECT_EQ(count<wire::Data>(hand.say(theirs, request)), 1U);
}

// rfc7574.md P1, P2, P4: older peers say nothing of options 8 and 9, and do not read what they did not say.
TEST(ByHand, a_call_without_options_8_and_9_is_answered_without_them_and_with_nothing_behind) {
  Hand hand{Hand::Engine::holds_all};
  const Talk talk = hand.call(std::nullopt);
  ASSERT_EQ(talk.size(), 1U);
  ASSERT_EQ(talk[0].messages.size(), 1U);
  const wire::Options& options = talk[0].find<wire::Handshake>()->options;
  EXPECT_FALSE(options.supported_messages || options.chunk_size || options.swarm_id);
}

// rfc7574.md P3: who does not like a call closes it on channel 0.
TEST(ByHand, a_close_on_channel_0_harms_nothing) {
  Hand hand{Hand::Engine::holds_all};
  EXPECT_TRUE(hand.say(wire::kNoChannel, [](wire::Encoder& e) { e.handshake({}); }).empty());
  EXPECT_EQ(hand.call().size(), 1U);
}

// RFC 7574 7.10: who says what it supports is sent nothing else. Who says nothing supports all of it.
TEST(ByHand, a_peer_is_sent_no_message_that_it_did_not_list) {
  const MessageSet without = MessageSet::rfc().erase(MessageType::ack).erase(MessageType::pex_req).erase(MessageType::have);
  for (const std::optional<MessageSet>& listed : {std::optional{MessageSet::rfc()}, std::optional<MessageSet>{}, std::optional{without}}) {
    Hand hand{Hand::Engine::holds_nothing, {base::IpAddress::v4({10, 0, 0, 2}), 7'000}};   // near enough to be asked for peers
    Talk talk;
    const ChannelId theirs = hand.come_in(talk, listed);
    std::ranges::move(hand.say(theirs, [](wire::Encoder& e) { e.have(range(1, 1)); }), std::back_inserter(talk));
    std::ranges::move(hand.give_chunk(theirs, 1), std::back_inserter(talk));
    std::ranges::move(hand.wait(1s), std::back_inserter(talk));
    ASSERT_EQ(hand.verified(), 1U);
    EXPECT_GT(count<wire::Request>(talk), 0U);
    const bool all = listed != without;
    EXPECT_EQ(count<wire::Ack>(talk) > 0, all);
    EXPECT_EQ(count<wire::PexReq>(talk) > 0, all);
  }
}

// ---- later ------------------------------------------------------------------------------------------------------------

// RFC 7574 3.12, 8.14.
TEST(ByHand, a_peer_to_whom_there_is_nothing_to_say_hears_keep_alives) {
  Hand hand{Hand::Engine::holds_all};
  Talk then;
  const ChannelId theirs = hand.come_in(then);
  hand.wait(1s);
  Talk talk;
  for (int minute = 0; minute < 3; ++minute) {
    std::ranges::move(hand.wait(60s), std::back_inserter(talk));
    hand.say(theirs, [](wire::Encoder&) {});   // it is still here
  }
  EXPECT_GE(talk.size(), 3U);
  for (const Said& said : talk) EXPECT_EQ(said.bytes.size(), wire::kChannelSize);
}

// RFC 7574 3.12, table 8: three minutes, and three datagrams that it could have answered. Then everything is forgotten and nothing sent.
TEST(ByHand, a_dead_peer_is_forgotten_after_three_minutes_and_told_nothing) {
  Hand hand{Hand::Engine::holds_all};
  Talk then;
  static_cast<void>(hand.come_in(then));
  const Talk before = hand.wait(179s);
  EXPECT_GE(before.size(), 3U);
  EXPECT_EQ(hand.peers(), 1U);
  for (const Said& said : hand.wait(60s)) EXPECT_NE(said.channel, kOurs) << "nothing more on that channel";
  EXPECT_EQ(hand.peers(), 0U);
}

// RFC 7574 12.6.8.
TEST(ByHand, who_is_choked_and_asks_all_the_same_is_choked_again) {
  Hand hand{Hand::Engine::holds_all};
  hand.input(SetLimits{0, 0, true});
  Talk talk;
  const ChannelId theirs = hand.come_in(talk);
  EXPECT_EQ(count<wire::Choke>(talk), 1U);
  const Talk answer = hand.say(theirs, [](wire::Encoder& e) { e.request(range(0, 0)); });
  EXPECT_EQ(count<wire::Choke>(answer), 1U);
  EXPECT_EQ(count<wire::Data>(answer), 0U);
}

// ---- bad chunks -------------------------------------------------------------------------------------------------------

// Found by seed 54 of the simulator's many: the second call was answered, and not completed yet, when the peer was banned by the first.
TEST(ByHand, who_is_banned_is_gone_by_every_channel) {
  Hand hand{Hand::Engine::holds_nothing};
  Talk talk;
  const ChannelId first = hand.come_in(talk);
  wire::Handshake again = hand.handshake();
  again.source = ChannelId{0x0a0b0c0d};
  const Talk answer = hand.say(wire::kNoChannel, [&](wire::Encoder& e) { e.handshake(again); });
  const ChannelId second = answer.at(0).find<wire::Handshake>()->source;
  for (const std::uint64_t index : {0U, 1U}) hand.give_chunk(first, index, true);
  EXPECT_EQ(hand.peers(), 0U);
  hand.give_chunk(second, 2);
  EXPECT_EQ(hand.peers(), 0U);
  EXPECT_EQ(hand.verified(), 0U) << "nothing more is taken from it, true or false";
}

// ---- peer exchange ----------------------------------------------------------------------------------------------------

// The hand asks an engine that hears from others as well.
std::size_t told(Hand& hand, ChannelId theirs) {
  const Talk talk = hand.say(theirs, [](wire::Encoder& e) { e.pex_req(); });
  return count<wire::PexResV4>(talk);
}
void others_come(Hand& hand, const base::IpAddress& address) {
  for (const std::uint16_t port : {std::uint16_t{7'100}, std::uint16_t{7'101}}) {
    hand.say_from({address, port}, wire::kNoChannel, [&](wire::Encoder& e) { e.handshake(hand.handshake()); });
    const ChannelId theirs = hand.to_others.back().find<wire::Handshake>()->source;
    hand.say_from({address, port}, theirs, [](wire::Encoder&) {});
  }
}

// RFC 7574 3.10.1: the plain answers are for benign networks; older peers know no other (decision 20).
TEST(ByHand, strangers_on_the_open_internet_are_told_of_others_in_compat_swarms_alone) {
  const auto open = base::IpAddress::v4({11, 0, 0, 2});
  for (const auto form : {Hand::Form::ours, Hand::Form::compat}) {
    Hand hand{Hand::Engine::holds_all, {open, 7'000}, form};
    Talk talk;
    const ChannelId theirs = hand.come_in(talk);
    others_come(hand, base::IpAddress::v4({11, 0, 0, 3}));
    EXPECT_EQ(told(hand, theirs) > 0, form == Hand::Form::compat);
  }
}

TEST(ByHand, an_older_peer_anywhere_is_asked_for_others_in_compat_swarms_alone) {
  for (const auto form : {Hand::Form::ours, Hand::Form::compat}) {
    Hand hand{Hand::Engine::holds_nothing, {base::IpAddress::v4({11, 0, 0, 2}), 7'000}, form};
    Talk talk;
    hand.come_in(talk);
    EXPECT_EQ(count<wire::PexReq>(hand.wait(5s)) > 0, form == Hand::Form::compat);
  }
}

TEST(ByHand, who_asks_for_peers_without_end_is_answered_five_times_a_second) {
  Hand hand{Hand::Engine::holds_all, {base::IpAddress::v4({10, 0, 0, 2}), 7'000}};
  Talk talk;
  const ChannelId theirs = hand.come_in(talk);
  others_come(hand, base::IpAddress::v4({10, 0, 0, 3}));
  std::size_t answers = 0;
  for (const Time end = hand.now + 1s; hand.now < end; hand.now += 10ms) answers += told(hand, theirs) > 0 ? 1 : 0;
  EXPECT_EQ(answers, 5U);
}

}  // namespace
}  // namespace runnel::swarm
