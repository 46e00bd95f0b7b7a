// What one engine says to a peer that is played by hand: RFC 7574 datagram by datagram.
#include <gtest/gtest.h>

#include <memory>

#include "core/swarm/engine.hpp"
#include "core/swarm/swarm.hpp"
#include "core/tree/memory_node_store.hpp"
#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"
#include "crypto/openssl.hpp"
#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using base::Endpoint;
using base::Time;
using namespace std::chrono_literals;
using test::range;
using wire::ChannelId;
using wire::MessageSet;
using wire::MessageType;

constexpr SwarmHandle kSwarm{1};
constexpr std::size_t kChunks = 4;
constexpr std::uint32_t kChunkSize = 1080;
constexpr ChannelId kOurs{0x01020304};   // of the hand

// A datagram of the engine's; messages are views into its bytes.
struct Said {
  ChannelId channel;
  base::Bytes bytes;
  std::vector<wire::Message> messages;

  template <class M>
  [[nodiscard]] const M* find() const {
    for (const wire::Message& message : messages) {
      if (const auto* found = std::get_if<M>(&message)) return found;
    }
    return nullptr;
  }
};
using Talk = std::vector<Said>;

template <class M>
std::size_t count(const Talk& talk) {
  return static_cast<std::size_t>(std::ranges::count_if(talk, [](const Said& said) { return said.template find<M>() != nullptr; }));
}

// An engine with a file of four chunks, or with none of them yet, and one peer.
class Hand {
 public:
  enum class Engine : std::uint8_t { holds_all, holds_nothing };
  // Of ours, or as older peers have it.
  enum class Form : std::uint8_t { ours, compat };

  explicit Hand(Engine holds, const Endpoint& at = {base::IpAddress::v4({11, 0, 0, 2}), 7'000}, Form form = Form::ours)
      : peer(at),
        hasher_(crypto::make_hasher(form == Form::ours ? crypto::HashAlgorithm::sha256 : crypto::HashAlgorithm::sha1)),
        chunk_size_(form == Form::ours ? kChunkSize : kDefaultCompatChunkSize) {
    std::vector<crypto::Digest> leaves;
    for (std::size_t i = 0; i < kChunks; ++i) {
      chunks_.emplace_back(chunk_size_, static_cast<std::byte>(i + 1));
      leaves.push_back(hasher_->hash(chunks_.back()));
    }
    const tree::Bin root = tree::HashTree::root_bin(kChunks);
    metadata_.id = base::to_bytes(tree::build_munro(truth_, *hasher_, root, leaves).view());
    metadata_.hash = hasher_->algorithm();
    metadata_.chunk_size = chunk_size_;
    metadata_.content_bytes = kChunks * chunk_size_;
    format_ = format_of(metadata_, 0);
    AddSwarm add{kSwarm, metadata_, {holds == Engine::holds_all ? &truth_ : &nodes_, hasher_.get(), nullptr, nullptr}, {}, true};
    if (holds == Engine::holds_all) add.verified = {range(0, kChunks - 1)};
    input(add);
  }

  // ---- what the hand does -------------------------------------------------------------------------------------------
  template <class Write>
  Talk say(ChannelId to, Write write) {
    return say_from(peer, to, write);
  }
  template <class Write>
  Talk say_from(const Endpoint& from, ChannelId to, Write write) {
    base::Bytes bytes(1'400);
    wire::Encoder encoder{bytes, format_};
    encoder.channel(to);
    write(encoder);
    return deliver(from, base::ByteView{bytes}.first(encoder.size()));
  }
  // Handshakes of a peer of version 1 with these messages in option 8, or without options 8 and 9.
  wire::Handshake handshake(std::optional<MessageSet> listed = MessageSet::rfc(), bool names_swarm = true) const {
    wire::Options options;
    options.version = options.minimum_version = wire::kVersionRfc;
    if (names_swarm) options.swarm_id = metadata_.id;
    options.integrity = wire::IntegrityMethod::merkle_tree;
    options.hash = metadata_.hash;
    options.addressing = metadata_.addressing;
    options.supported_messages = listed;
    if (listed) options.chunk_size = metadata_.chunk_size;
    return {kOurs, options};
  }
  Talk call(std::optional<MessageSet> listed = MessageSet::rfc()) {
    return say(wire::kNoChannel, [&](wire::Encoder& e) { e.handshake(handshake(listed)); });
  }
  // Calls and completes the handshake: the engine's channel, and what it says then.
  ChannelId come_in(Talk& then, std::optional<MessageSet> listed = MessageSet::rfc()) {
    const Talk answer = call(listed);
    const ChannelId theirs = answer.at(0).find<wire::Handshake>()->source;
    then = say(theirs, [](wire::Encoder&) {});
    return theirs;
  }
  Talk give_chunk(ChannelId to, std::uint64_t index, bool spoilt = false) {
    std::vector<tree::NodeHash> hashes;
    tree::HashTree tree{truth_, *hasher_};
    EXPECT_TRUE(
        tree::uncles(tree, tree::ChunkIndex{index}, tree::HashTree::root_bin(kChunks), [](tree::ChunkRange) { return false; }, hashes));
    return say(to, [&](wire::Encoder& e) {
      for (const tree::NodeHash& node : hashes) e.integrity(node.bin.range(), node.hash);
      base::Bytes chunk = chunks_[index];
      if (spoilt) chunk[7] ^= std::byte{1};
      e.data(tree::ChunkIndex{index}, wire::NodeTimestamp{1}, chunk);
    });
  }
  Talk input(const Input& in) {
    engine_.handle(in, now);
    return drain();
  }
  // What the engine says by itself in that time.
  Talk wait(base::Duration time) {
    Talk talk;
    for (const Time end = now + time; now < end; now += 50ms) std::ranges::move(drain(), std::back_inserter(talk));
    return talk;
  }
  [[nodiscard]] std::size_t peers() const { return engine_.state(kSwarm, now)->peers.size(); }
  [[nodiscard]] std::uint64_t verified() const { return engine_.state(kSwarm, now)->verified; }

  const Endpoint peer;
  Time now{1'000s};
  Talk to_others;   // the first datagram of each batch

 private:
  Talk deliver(const Endpoint& from, base::ByteView bytes) {
    const DatagramIn datagram{from, bytes, std::nullopt};
    engine_.handle(DatagramsIn{{&datagram, 1}}, now);
    return drain();
  }
  Talk drain() {
    Talk talk;
    std::vector<LoadChunks> loads;
    while (const auto output = engine_.poll(now)) {
      if (const auto* load = std::get_if<LoadChunks>(&*output)) loads.push_back(*load);
      const auto* out = std::get_if<SendDatagrams>(&*output);
      if (out == nullptr) continue;
      if (out->to != peer) {
        to_others.push_back(read(out->bytes));
        continue;
      }
      for (base::ByteView rest = out->bytes; !rest.empty();) {
        const std::size_t size = std::min<std::size_t>(out->segment_size, rest.size());
        talk.push_back(read(rest.first(size)));
        rest = rest.subspan(size);
      }
    }
    for (const LoadChunks& load : loads) {
      std::vector<base::ByteView> views;
      for (std::uint64_t i = load.range.first.value(); i <= load.range.last.value(); ++i) views.emplace_back(chunks_[i]);
      const LoadedChunks loaded{load.id, views};
      engine_.handle(ChunksLoaded{{&loaded, 1}}, now);
      std::ranges::move(drain(), std::back_inserter(talk));
    }
    return talk;
  }
  Said read(base::ByteView datagram) const {
    Said said;
    said.bytes = base::to_bytes(datagram);
    const auto parts = wire::split_datagram(said.bytes);
    said.channel = parts->channel;
    wire::Decoder decoder{parts->messages, format_};
    while (true) {
      const auto message = decoder.next();
      EXPECT_TRUE(message) << "what the engine says can be read";
      if (!message || !*message) return said;
      said.messages.push_back(**message);
    }
  }

  std::unique_ptr<crypto::Hasher> hasher_;
  std::uint32_t chunk_size_;
  std::vector<base::Bytes> chunks_;
  tree::MemoryNodeStore truth_;
  tree::MemoryNodeStore nodes_;
  Metadata metadata_;
  wire::Format format_;
  swarm::Engine engine_{base::Rng{1}, crypto::SecretRng{{}}, now};
};

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
