// What one engine makes of a peer that says what few peers say, played by hand.
#include <map>

#include "core/swarm/choker.hpp"
#include "core/swarm/extensions.hpp"
#include "core/swarm/handshake.hpp"
#include "unit/swarm/hand.hpp"

namespace runnel::swarm {
namespace {

using namespace by_hand;

constexpr ChannelId kOther{0x05060708};   // of a second peer
const Endpoint kElsewhere{base::IpAddress::v4({11, 0, 0, 9}), 7'009};
const Endpoint kNear{base::IpAddress::v4({10, 0, 0, 2}), 7'000};

// As nodes of ours call.
wire::Handshake equal(const Hand& hand, ChannelId source) {
  wire::Handshake handshake = hand.handshake(MessageSet::rfc().insert(MessageType::extension));
  handshake.options.version = wire::kVersionRunnel;
  handshake.source = source;
  return handshake;
}
// From there, with that HELLO. The engine's channel.
ChannelId come_in_as_equal(Hand& hand, const Endpoint& from, ChannelId source, const Hello& hello) {
  const Talk answer = hand.say_from(from, wire::kNoChannel, [&](wire::Encoder& e) { e.handshake(equal(hand, source)); });
  const Said& said = from == hand.peer ? answer.at(0) : hand.to_others.back();
  const ChannelId theirs = said.find<wire::Handshake>()->source;
  hand.say_from(from, theirs, [&](wire::Encoder& e) { e.extension(kHelloType, encode_hello(hello)); });
  return theirs;
}
void append(Talk& talk, Talk more) { std::ranges::move(more, std::back_inserter(talk)); }

// ---- who it is --------------------------------------------------------------------------------------------------------

TEST(ByHand, who_says_our_own_hello_is_ourselves_and_not_called) {
  Hand hand{Hand::Engine::holds_nothing};
  const Talk answer = hand.say(wire::kNoChannel, [&](wire::Encoder& e) { e.handshake(equal(hand, kOurs)); });
  const ChannelId theirs = answer.at(0).find<wire::Handshake>()->source;
  const Talk then = hand.say(theirs, [](wire::Encoder&) {});
  const auto* hello = then.at(0).find<wire::Extension>();
  ASSERT_NE(hello, nullptr);
  ASSERT_EQ(hello->type, kHelloType);
  EXPECT_EQ(hand.peers(), 1U);
  hand.say(theirs, [&](wire::Encoder& e) { e.extension(kHelloType, hello->value); });
  EXPECT_EQ(hand.peers(), 0U);
  Talk later = hand.input(AddPeers{kSwarm, {hand.peer}, true});
  append(later, hand.wait(60s));
  EXPECT_EQ(count<wire::Handshake>(later), 0U);
}

TEST(ByHand, a_call_that_comes_back_to_us_shows_our_own_address) {
  Hand hand{Hand::Engine::holds_nothing};
  const Talk call = hand.input(AddPeers{kSwarm, {hand.peer}, true});
  const wire::Handshake ours = *call.at(0).find<wire::Handshake>();
  hand.say_from(kElsewhere, wire::kNoChannel, [&](wire::Encoder& e) { e.handshake(ours); });
  EXPECT_TRUE(hand.to_others.empty()) << "we do not answer ourselves";
  EXPECT_EQ(count<wire::Handshake>(hand.wait(60s)), 0U) << "nor call again";
}

TEST(ByHand, of_two_channels_to_one_node_that_with_the_smaller_id_stays) {
  const Hello hello{.node_id = 7, .watchers = 0, .abilities = 0};
  for (const auto& [first, second] : {std::pair{kOurs, kOther}, std::pair{kOther, kOurs}}) {
    Hand hand{Hand::Engine::holds_all};
    const ChannelId one = come_in_as_equal(hand, hand.peer, first, hello);
    const ChannelId two = come_in_as_equal(hand, kElsewhere, second, hello);
    EXPECT_EQ(hand.peers(), 1U);
    hand.to_others.clear();
    const auto request = [](wire::Encoder& e) { e.request(range(0, 0)); };
    const bool first_stays = first < second;
    EXPECT_EQ(count<wire::Data>(hand.say(one, request)) > 0, first_stays);
    hand.say_from(kElsewhere, two, request);
    EXPECT_EQ(count<wire::Data>(hand.to_others) > 0, !first_stays);
  }
}

TEST(ByHand, a_reply_that_does_not_fit_the_swarm_and_a_close_end_a_call) {
  for (const bool closes : {false, true}) {
    Hand hand{Hand::Engine::holds_nothing};
    const ChannelId theirs = hand.input(AddPeers{kSwarm, {hand.peer}, true}).at(0).find<wire::Handshake>()->source;
    wire::Handshake wrong = hand.handshake(MessageSet::rfc(), false);
    wrong.options.hash = crypto::HashAlgorithm::sha512;
    hand.say(theirs, [&](wire::Encoder& e) { e.handshake(closes ? wire::Handshake{} : wrong); });
    const auto right = [&](wire::Encoder& e) { e.handshake(hand.handshake(MessageSet::rfc(), false)); };
    EXPECT_TRUE(hand.say(theirs, right).empty()) << "that channel is no more";
    EXPECT_EQ(hand.peers(), 0U);
  }
}

// RFC 7574 3.10.
TEST(ByHand, peers_by_ipv6_are_called_when_they_were_asked_for) {
  std::array<std::uint8_t, 16> private_net{0xfd};
  private_net[15] = 9;
  const Endpoint told{base::IpAddress::v6(private_net), 7'100};
  for (const Endpoint& teller : {kNear, kElsewhere}) {
    Hand hand{Hand::Engine::holds_nothing, teller};
    Talk talk;
    const ChannelId theirs = hand.come_in(talk);
    const bool asked = count<wire::PexReq>(talk) > 0;
    EXPECT_EQ(asked, teller == kNear);
    hand.say(theirs, [&](wire::Encoder& e) { e.pex_res(told); });
    hand.wait(1s);
    EXPECT_EQ(count<wire::Handshake>(hand.to_others) > 0, asked);
  }
}

// RFC 7574 3: an invalid message and all behind it are dropped, and who goes on with it is talked to no more.
TEST(ByHand, what_stands_before_an_invalid_message_counts_and_the_second_one_bans) {
  Hand hand{Hand::Engine::holds_nothing};
  Talk talk;
  const ChannelId theirs = hand.come_in(talk);
  const auto spoilt = [&](std::uint64_t chunk) {
    base::Bytes bytes(100);
    wire::Encoder encoder{bytes, {}};
    encoder.channel(theirs);
    encoder.have(range(chunk, chunk));
    bytes[encoder.size()] = std::byte{0x7f};   // no message begins so
    return hand.deliver(hand.peer, bytes);
  };
  EXPECT_EQ(count<wire::Request>(spoilt(1)), 1U);
  EXPECT_EQ(hand.peers(), 1U) << "one may be a fault of the way";
  spoilt(2);
  EXPECT_EQ(hand.peers(), 0U);
  EXPECT_TRUE(hand.call().empty()) << "it is banned";
}

// RFC 7574 4.2: three chunks are no bin.
TEST(ByHand, what_no_bin_names_is_told_bin_by_bin) {
  Hand hand{Hand::Engine::holds_all, kNear, Hand::Form::bins};
  hand.input(ForgetChunks{kSwarm, range(3, 3)});
  Talk talk;
  hand.come_in(talk);
  tree::IntervalSet told;
  for (const Said& said : talk) {
    for (const wire::Message& message : said.messages) {
      if (const auto* have = std::get_if<wire::Have>(&message)) told.insert(have->range);
    }
  }
  EXPECT_EQ(told, test::ranges({range(0, 2)}));
}

// ---- what it gives ----------------------------------------------------------------------------------------------------

// RFC 7574 3.9.
TEST(ByHand, who_chokes_us_is_asked_nothing_until_it_unchokes) {
  Hand hand{Hand::Engine::holds_nothing};
  Talk talk;
  const ChannelId theirs = hand.come_in(talk);
  EXPECT_GT(count<wire::Request>(hand.say(theirs, [](wire::Encoder& e) { e.have(range(0, 3)); })), 0U);
  Talk choked = hand.say(theirs, [](wire::Encoder& e) { e.choke(); });
  append(choked, hand.wait(5s));
  EXPECT_EQ(count<wire::Request>(choked), 0U);
  Talk unchoked = hand.say(theirs, [](wire::Encoder& e) { e.unchoke(); });
  append(unchoked, hand.wait(1s));
  EXPECT_GT(count<wire::Request>(unchoked), 0U);
}

// RFC 7574 5.3.
TEST(ByHand, who_sends_chunk_after_chunk_that_nothing_proves_is_left) {
  Hand hand{Hand::Engine::holds_nothing};
  Talk talk;
  const ChannelId theirs = hand.come_in(talk);
  const base::Bytes chunk(kChunkSize, std::byte{1});
  int sent = 0;
  for (; sent < 2'000 && hand.peers() == 1; ++sent)
    hand.say(theirs, [&](wire::Encoder& e) { e.data(tree::ChunkIndex{0}, wire::NodeTimestamp{1}, chunk); });
  EXPECT_EQ(hand.peers(), 0U);
  EXPECT_GT(sent, 500) << "hashes may be lost a few times";
  EXPECT_EQ(hand.verified(), 0U);
}

// RFC 7574 3.8: what is needed at once and waits at a slow peer is asked of a quick one, and taken back.
// RFC 7574 8.7: a one-way delay is the network's, and a machine that had no time to read is no queue in it.
TEST(ByHand, a_delay_counts_until_the_datagram_came_and_not_until_it_was_read) {
  Hand hand{Hand::Engine::holds_nothing};
  Talk talk;
  const ChannelId theirs = hand.come_in(talk);
  hand.say(theirs, [](wire::Encoder& e) { e.have(range(0, 0)); });
  hand.waited = 80ms;
  const Talk answer = hand.give_chunk(theirs, 0);
  ASSERT_EQ(count<wire::Ack>(answer), 1U);
  constexpr std::int64_t kSentUs = 1;   // by the hand's clock, in its DATA
  EXPECT_EQ(answer.at(0).find<wire::Ack>()->delay.value(),
            static_cast<std::uint64_t>((hand.now - 80ms).time_since_epoch().count() - kSentUs));
}

TEST(ByHand, a_reader_waits_for_no_slow_peer_while_a_quick_one_has_its_chunk) {
  Hand hand{Hand::Engine::holds_nothing};
  Talk talk;
  const ChannelId quick = hand.come_in(talk);
  EXPECT_EQ(count<wire::Request>(hand.say(quick, [](wire::Encoder& e) { e.have(range(0, 0)); })), 1U);
  hand.now += 20ms;
  hand.give_chunk(quick, 0);
  ASSERT_EQ(hand.verified(), 1U);
  wire::Handshake slow_call = hand.handshake();
  slow_call.source = kOther;
  hand.say_from(kElsewhere, wire::kNoChannel, [&](wire::Encoder& e) { e.handshake(slow_call); });
  const ChannelId slow = hand.to_others.back().find<wire::Handshake>()->source;
  hand.say_from(kElsewhere, slow, [](wire::Encoder& e) { e.have(range(3, 3)); });
  ASSERT_EQ(count<wire::Request>(hand.to_others), 1U);
  hand.to_others.clear();
  Talk asked = hand.say(quick, [](wire::Encoder& e) { e.have(range(3, 3)); });
  append(asked, hand.input(Want{kSwarm, 5, range(3, 3), hand.now + 900ms}));
  EXPECT_EQ(count<wire::Request>(asked), 0U) << "it may come yet";
  asked = hand.wait(600ms);
  EXPECT_EQ(count<wire::Request>(asked), 1U);
  EXPECT_EQ(count<wire::Cancel>(hand.to_others), 1U);
  hand.give_chunk(quick, 3);
  EXPECT_EQ(hand.ready, std::vector<std::uint64_t>{5});
}

// RFC 7574 3.9: on a narrow line some are served and others wait, by turns.
TEST(ByHand, on_a_narrow_line_some_are_choked_and_not_for_ever) {
  Hand hand{Hand::Engine::holds_all};
  hand.input(SetLimits{.max_upload = 10'000});
  std::map<std::uint16_t, ChannelId> peers;
  for (std::uint16_t port = 7'100; peers.size() < Choker::kSlots + 8; ++port) {
    const Endpoint from{kElsewhere.address, port};
    wire::Handshake handshake = hand.handshake();
    handshake.source = ChannelId{port};
    hand.say_from(from, wire::kNoChannel, [&](wire::Encoder& e) { e.handshake(handshake); });
    peers[port] = hand.to_others.back().find<wire::Handshake>()->source;
    hand.say_from(from, peers[port], [](wire::Encoder&) {});
  }
  std::size_t choked = 0;
  std::size_t unchoked = 0;
  for (const Time end = hand.now + 20 * Choker::kRound; hand.now < end && unchoked == 0;) {
    hand.to_others.clear();
    for (const auto& [port, theirs] : peers)
      hand.say_from({kElsewhere.address, port}, theirs, [](wire::Encoder& e) { e.request(range(0, 3)); });
    hand.wait(1s);
    choked += count<wire::Choke>(hand.to_others);
    unchoked += count<wire::Unchoke>(hand.to_others);
  }
  EXPECT_GE(choked, 8U);
  EXPECT_GT(unchoked, 0U);
}

// ---- what its own program says ----------------------------------------------------------------------------------------

TEST(ByHand, a_reader_that_is_gone_is_told_nothing) {
  Hand hand{Hand::Engine::holds_nothing};
  Talk talk;
  const ChannelId theirs = hand.come_in(talk);
  for (const std::uint64_t token : {5U, 6U}) hand.input(Want{kSwarm, token, range(3, 3), hand.now + 1s});
  hand.input(Unwant{kSwarm, 5});
  hand.say(theirs, [](wire::Encoder& e) { e.have(range(3, 3)); });
  hand.give_chunk(theirs, 3);
  EXPECT_EQ(hand.ready, std::vector<std::uint64_t>{6});
}

TEST(ByHand, what_the_store_lost_is_served_no_more_and_fetched_anew) {
  Hand hand{Hand::Engine::holds_all};
  Talk talk;
  const ChannelId theirs = hand.come_in(talk);
  hand.input(ForgetChunks{kSwarm, range(2, 2)});
  const auto request = [](wire::Encoder& e) { e.request(range(1, 2)); };
  EXPECT_EQ(count<wire::Data>(hand.say(theirs, request)), 1U);
  Talk asked = hand.say(theirs, [](wire::Encoder& e) { e.have(range(0, 3)); });
  append(asked, hand.wait(1s));
  EXPECT_GT(count<wire::Request>(asked), 0U);
  hand.give_chunk(theirs, 2);
  EXPECT_EQ(hand.verified(), 1U);
  EXPECT_EQ(count<wire::Data>(hand.say(theirs, [](wire::Encoder& e) { e.request(range(2, 2)); })), 1U);
}

TEST(ByHand, of_swarms_that_are_not_here_nothing_is_known) {
  Hand hand{Hand::Engine::holds_all};
  constexpr SwarmHandle kNone{9};
  hand.input(AddPeers{kNone, {hand.peer}, true});
  hand.input(Want{kNone, 1, range(0, 0), hand.now});
  hand.input(Unwant{kNone, 1});
  hand.input(ForgetChunks{kNone, range(0, 0)});
  hand.input(FollowFrom{kNone, tree::ChunkIndex{0}});
  hand.input(RemoveSwarm{kNone});
  EXPECT_FALSE(hand.engine().state(kNone, hand.now));
  EXPECT_FALSE(hand.engine().first_missing(kNone));
  EXPECT_EQ(hand.call().size(), 1U) << "and the one that is goes on";
  hand.input(RemoveSwarm{kSwarm});
  EXPECT_TRUE(hand.call().empty());
}

}  // namespace
}  // namespace runnel::swarm
