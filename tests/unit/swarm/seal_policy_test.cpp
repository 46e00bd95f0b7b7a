// Who is spoken to sealed, who in the clear, and who not at all (design decision 9).
#include <gtest/gtest.h>

#include "core/swarm/engine.hpp"
#include "core/swarm/sealed_places.hpp"
#include "core/swarm/swarm.hpp"
#include "core/tree/memory_node_store.hpp"
#include "core/wire/decoder.hpp"
#include "core/wire/encoder.hpp"
#include "crypto/openssl.hpp"
#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using namespace std::chrono_literals;
using base::Endpoint;

constexpr SwarmHandle kSwarm{1};
constexpr SwarmHandle kAnother{2};
constexpr wire::ChannelId kTheirs{0xcafe'0001};
const Endpoint kPeer{base::IpAddress::v4({198, 51, 100, 1}), 7'000};

struct Sent {
  Endpoint to;
  base::Bytes bytes;
  std::optional<Sealing> sealing;
};

// An engine that seeds one chunk; its peer is written by hand.
class SealedEngine {
 public:
  explicit SealedEngine(SealPolicy policy) {
    metadata_.id = base::to_bytes(hasher_->hash(base::Bytes(100)).view());
    metadata_.content_bytes = 100;
    handle(AddSwarm{kSwarm, metadata_, {&nodes_, hasher_.get(), nullptr, nullptr}, {test::range(0, 0)}, true, policy});
  }
  void handle(const Input& input) {
    engine_.handle(input, now_);
    poll();
  }
  void wait(base::Duration time) {
    for (const base::Time end = now_ + time; now_ < end;) {
      now_ += 100ms;
      poll();
    }
  }
  void receive(base::ByteView bytes, std::optional<SwarmHandle> sealed, const Endpoint& from = kPeer) {
    const DatagramIn datagram{from, bytes, sealed};
    handle(DatagramsIn{{&datagram, 1}});
  }
  // The peer calls, or answers our call to it.
  void receive_call(std::optional<SwarmHandle> sealed, const Endpoint& from = kPeer, wire::ChannelId source = kTheirs) {
    receive(datagram(wire::kNoChannel, initiating_options(metadata_, Style::full), source), sealed, from);
  }
  // A channel id and nothing else: it completes the handshake of who called.
  void receive_nothing(wire::ChannelId to, std::optional<SwarmHandle> sealed) {
    base::Bytes bytes(wire::kChannelSize);
    base::store_big_endian(bytes.data(), to.value());
    receive(bytes, sealed);
  }
  void receive_answer(wire::ChannelId to, std::optional<SwarmHandle> sealed) {
    const wire::Options theirs = initiating_options(metadata_, Style::full);
    receive(datagram(to, replying_options(metadata_, theirs)), sealed);
  }
  // The handshakes that went out since the last time, goodbyes apart.
  std::vector<Sent> take_handshakes() {
    std::vector<Sent> found;
    for (Sent& sent : std::exchange(sent_, {})) {
      wire::Decoder decoder{base::ByteView{sent.bytes}.subspan(wire::kChannelSize), {}};
      const auto message = decoder.next();
      const auto* handshake = message && *message ? std::get_if<wire::Handshake>(&**message) : nullptr;
      if (handshake != nullptr && !handshake->is_close()) found.push_back(std::move(sent));
    }
    return found;
  }
  // Our channel id in a handshake.
  static wire::ChannelId source(const Sent& sent) {
    return wire::ChannelId{base::load_big_endian<std::uint32_t>(sent.bytes.data() + wire::kChannelSize + 1)};
  }
  [[nodiscard]] std::vector<PeerState> peers() const { return engine_.state(kSwarm, now_)->peers; }

  std::vector<wire::ChannelId> closed;

 private:
  base::Bytes datagram(wire::ChannelId to, const wire::Options& options, wire::ChannelId source = kTheirs) {
    base::Bytes bytes(1'000);
    wire::Encoder encoder{bytes, {}};
    encoder.channel(to);
    encoder.handshake({source, options});
    bytes.resize(encoder.size());
    return bytes;
  }
  void poll() {
    while (const auto output = engine_.poll(now_)) {
      if (const auto* out = std::get_if<SendDatagrams>(&*output)) sent_.push_back({out->to, base::to_bytes(out->bytes), out->sealing});
      if (const auto* gone = std::get_if<ChannelClosed>(&*output)) closed.push_back(gone->local);
    }
  }

  base::Time now_{1'000s};
  std::unique_ptr<crypto::Hasher> hasher_ = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  tree::MemoryNodeStore nodes_;
  Metadata metadata_;
  Engine engine_{base::Rng{1}, crypto::SecretRng{{}}, now_};
  std::vector<Sent> sent_;
};

const AddPeers kMeetPeer{kSwarm, {kPeer}, true};

TEST(SealPolicy, calls_are_sealed_and_name_their_channel) {
  SealedEngine engine{SealPolicy::preferred};
  engine.handle(kMeetPeer);
  engine.wait(100ms);
  const auto calls = engine.take_handshakes();
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].sealing, (Sealing{kSwarm, SealedEngine::source(calls[0])}));
}

TEST(SealPolicy, who_says_nothing_is_called_in_the_clear) {
  SealedEngine engine{SealPolicy::preferred};
  engine.handle(kMeetPeer);
  engine.wait(100ms);
  const wire::ChannelId local = SealedEngine::source(engine.take_handshakes().at(0));
  engine.handle(CallFailed{local});
  const auto calls = engine.take_handshakes();
  ASSERT_EQ(calls.size(), 1U) << "at once";
  EXPECT_EQ(calls[0].sealing, std::nullopt);
  EXPECT_EQ(engine.closed, std::vector{local});
  engine.receive_answer(local, std::nullopt);
  ASSERT_EQ(engine.peers().size(), 1U);
  EXPECT_FALSE(engine.peers()[0].sealed);
}

TEST(SealPolicy, a_private_swarm_is_never_mentioned_in_the_clear) {
  SealedEngine engine{SealPolicy::required};
  engine.handle(kMeetPeer);
  engine.wait(100ms);
  const auto first = engine.take_handshakes();
  engine.handle(CallFailed{SealedEngine::source(first.at(0))});
  engine.wait(5s);
  for (const Sent& call : engine.take_handshakes()) EXPECT_TRUE(call.sealing);
  engine.receive_call(std::nullopt);
  for (const Sent& call : engine.take_handshakes()) EXPECT_TRUE(call.sealing) << "no answer";
}

TEST(SealPolicy, who_was_met_sealed_is_never_called_in_the_clear) {
  SealedEngine engine{SealPolicy::preferred};
  engine.handle(kMeetPeer);
  engine.wait(100ms);
  engine.receive_answer(SealedEngine::source(engine.take_handshakes().at(0)), kSwarm);
  ASSERT_EQ(engine.peers().size(), 1U);
  EXPECT_TRUE(engine.peers()[0].sealed);
  // It goes silent, is given up, and is called again.
  std::size_t later = 0;
  for (int i = 0; i < 600; ++i) {
    engine.wait(1s);
    for (const Sent& call : engine.take_handshakes()) {
      EXPECT_TRUE(call.sealing);
      ++later;
      engine.handle(CallFailed{SealedEngine::source(call)});
    }
  }
  EXPECT_GT(later, 0U);
}

TEST(SealPolicy, an_answer_must_come_as_the_call_went) {
  for (const bool sealed : {true, false}) {
    SealedEngine engine{sealed ? SealPolicy::preferred : SealPolicy::never};
    engine.handle(kMeetPeer);
    engine.wait(100ms);
    const auto calls = engine.take_handshakes();
    EXPECT_EQ(calls.at(0).sealing.has_value(), sealed);
    const wire::ChannelId local = SealedEngine::source(calls[0]);
    engine.receive_answer(local, sealed ? std::nullopt : std::optional{kSwarm});
    EXPECT_TRUE(engine.peers().empty());
    engine.receive_answer(local, sealed ? std::optional{kSwarm} : std::nullopt);
    EXPECT_EQ(engine.peers().size(), 1U);
  }
}

TEST(SealPolicy, a_sealed_call_is_answered_sealed_and_may_be_answered_at_length) {
  SealedEngine engine{SealPolicy::preferred};
  engine.receive_call(kSwarm);
  const auto answers = engine.take_handshakes();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].sealing, (Sealing{kSwarm, SealedEngine::source(answers[0])}));
}

TEST(SealPolicy, another_swarms_key_opens_nothing_here) {
  SealedEngine engine{SealPolicy::preferred};
  engine.receive_call(kAnother);
  EXPECT_TRUE(engine.take_handshakes().empty());
}

TEST(SealPolicy, a_sealed_channel_is_told_to_be_closed_when_it_goes) {
  SealedEngine engine{SealPolicy::preferred};
  engine.receive_call(kSwarm);
  const wire::ChannelId local = SealedEngine::source(engine.take_handshakes().at(0));
  engine.handle(RemoveSwarm{kSwarm});
  EXPECT_EQ(engine.closed, std::vector{local});
}

TEST(SealPolicy, forged_calls_in_the_clear_do_not_keep_out_who_proved_its_address) {
  SealedEngine engine{SealPolicy::preferred};
  for (std::size_t i = 0; i < kMaxHalfOpen; ++i)
    engine.receive_call(std::nullopt, {base::IpAddress::v4({203, 0, 113, static_cast<std::uint8_t>(i)}), 7'000});
  engine.take_handshakes();
  engine.receive_call(kSwarm);
  EXPECT_EQ(engine.take_handshakes().size(), 1U);
}

TEST(SealPolicy, who_is_here_sealed_is_not_replaced_by_who_calls_in_the_clear) {
  SealedEngine engine{SealPolicy::preferred};
  engine.receive_call(kSwarm);
  engine.receive_nothing(SealedEngine::source(engine.take_handshakes().at(0)), kSwarm);
  ASSERT_EQ(engine.peers().size(), 1U);
  engine.receive_call(std::nullopt, kPeer, wire::ChannelId{0xcafe'0002});
  EXPECT_TRUE(engine.take_handshakes().empty());
  ASSERT_EQ(engine.peers().size(), 1U);
  EXPECT_TRUE(engine.peers()[0].sealed);
}

TEST(SealPolicy, an_address_that_is_our_own_is_not_called_again) {
  SealedEngine engine{SealPolicy::preferred};
  engine.handle(kMeetPeer);
  engine.wait(100ms);
  engine.handle(CallFailed{SealedEngine::source(engine.take_handshakes().at(0)), CallFailed::Why::ourselves});
  engine.wait(60s);
  EXPECT_TRUE(engine.take_handshakes().empty());
}

TEST(SealedPlaces, forget_the_oldest_past_their_limit) {
  SealedPlaces places;
  const auto place = [](std::size_t i) { return Endpoint{base::IpAddress::v4({10, 0, std::uint8_t(i >> 8), std::uint8_t(i)}), 7'000}; };
  for (std::size_t i = 0; i < SealedPlaces::kMaxPlaces; ++i) places.add(place(i));
  places.add(place(0));
  EXPECT_TRUE(places.contains(place(0)));
  places.add(place(SealedPlaces::kMaxPlaces));
  EXPECT_EQ(places.size(), SealedPlaces::kMaxPlaces);
  EXPECT_FALSE(places.contains(place(0)));
  EXPECT_TRUE(places.contains(place(1)));
}

}  // namespace
}  // namespace runnel::swarm
