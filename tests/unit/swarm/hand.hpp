// One engine and a peer that is played by hand, RFC 7574 datagram by datagram.
#pragma once
#include <gtest/gtest.h>

#include <memory>

#include "core/swarm/engine.hpp"
#include "core/swarm/swarm.hpp"
#include "core/tree/memory_node_store.hpp"
#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"
#include "crypto/openssl.hpp"
#include "unit/swarm/ranges.hpp"

namespace runnel::swarm::by_hand {

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
  // Of ours, as older peers have it, or of ours with chunks named by bins.
  enum class Form : std::uint8_t { ours, compat, bins };

  explicit Hand(Engine holds, const Endpoint& at = {base::IpAddress::v4({11, 0, 0, 2}), 7'000}, Form form = Form::ours)
      : peer(at),
        hasher_(crypto::make_hasher(form == Form::compat ? crypto::HashAlgorithm::sha1 : crypto::HashAlgorithm::sha256)),
        chunk_size_(form == Form::compat ? kDefaultCompatChunkSize : kChunkSize) {
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
    if (form == Form::bins) metadata_.addressing = wire::AddressingMethod::bins32;
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
  Talk deliver(const Endpoint& from, base::ByteView bytes) {
    const DatagramIn datagram{from, bytes, std::nullopt, waited};
    engine_.handle(DatagramsIn{{&datagram, 1}}, now);
    return drain();
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
  [[nodiscard]] const swarm::Engine& engine() const { return engine_; }
  [[nodiscard]] std::size_t peers() const { return engine_.state(kSwarm, now)->peers.size(); }
  [[nodiscard]] std::uint64_t verified() const { return engine_.state(kSwarm, now)->verified; }

  const Endpoint peer;
  Time now{1'000s};
  base::Duration waited{};            // each datagram, until the engine gets it
  Talk to_others;
  std::vector<std::uint64_t> ready;   // tokens of RangeReady

 private:
  Talk drain() {
    Talk talk;
    std::vector<LoadChunks> loads;
    while (const auto output = engine_.poll(now)) {
      if (const auto* load = std::get_if<LoadChunks>(&*output)) loads.push_back(*load);
      if (const auto* event = std::get_if<Event>(&*output)) {
        if (const auto* range = std::get_if<RangeReady>(event)) ready.push_back(range->token);
      }
      const auto* out = std::get_if<SendDatagrams>(&*output);
      if (out == nullptr) continue;
      Talk& said = out->to == peer ? talk : to_others;
      for (base::ByteView rest = out->bytes; !rest.empty();) {
        const std::size_t size = std::min<std::size_t>(out->segment_size, rest.size());
        said.push_back(read(rest.first(size)));
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

}  // namespace runnel::swarm::by_hand
