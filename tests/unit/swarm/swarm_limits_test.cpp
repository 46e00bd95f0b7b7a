// How many strangers a swarm lets in (RFC 7574 12.1.2, 12.6.1).
#include <gtest/gtest.h>

#include "core/swarm/engine.hpp"
#include "core/swarm/swarm.hpp"
#include "core/tree/memory_node_store.hpp"
#include "core/wire/encoder.hpp"
#include "crypto/openssl.hpp"
#include "unit/swarm/ranges.hpp"

namespace runnel::swarm {
namespace {

using base::Endpoint;
using base::Time;
using namespace std::chrono_literals;

constexpr SwarmHandle kSwarm{1};

// A seed of one chunk, and callers that speak to it by hand.
class Seed {
 public:
  Seed() {
    metadata_.id = base::to_bytes(hasher_->hash(base::Bytes(100)).view());
    metadata_.content_bytes = 100;
    give(AddSwarm{kSwarm, metadata_, {&nodes_, hasher_.get(), nullptr, nullptr}, {test::range(0, 0)}, true});
  }
  static Endpoint caller(std::uint32_t number) {
    return {base::IpAddress::v4({11, 0, std::uint8_t(number >> 8), std::uint8_t(number)}), 7'000};
  }
  // The channel that the seed answered with; nullopt: silence.
  std::optional<wire::ChannelId> call(std::uint32_t number) {
    base::Bytes bytes(1'000);
    wire::Encoder encoder{bytes, {}};
    encoder.channel(wire::kNoChannel);
    encoder.handshake({wire::ChannelId{number + 1}, initiating_options(metadata_, Style::full)});
    const auto answers = send(caller(number), base::ByteView{bytes}.first(encoder.size()));
    for (const base::Bytes& answer : answers) {
      base::Reader reader{answer};
      EXPECT_EQ(reader.read<std::uint32_t>(), number + 1);
      EXPECT_EQ(reader.read<std::uint8_t>(), static_cast<std::uint8_t>(wire::MessageType::handshake));
      EXPECT_LE(answer.size(), encoder.size()) << "no amplification (RFC 7574 12.1)";
      return wire::ChannelId{reader.read<std::uint32_t>().value()};
    }
    return std::nullopt;
  }
  // The third datagram of the handshake: nothing but the channel.
  void complete(std::uint32_t number, wire::ChannelId channel) {
    base::Bytes bytes(wire::kChannelSize);
    base::store_big_endian(bytes.data(), channel.value());
    send(caller(number), bytes);
  }
  void wait(base::Duration time) {
    for (const Time end = now_ + time; now_ < end; now_ += 100ms) {
      while (engine_.poll(now_)) {
      }
    }
  }
  [[nodiscard]] std::size_t peers() const { return engine_.state(kSwarm, now_)->peers.size(); }

 private:
  void give(const Input& input) {
    engine_.handle(input, now_);
    while (engine_.poll(now_)) {
    }
  }
  std::vector<base::Bytes> send(const Endpoint& from, base::ByteView bytes) {
    const DatagramIn datagram{from, bytes, std::nullopt};
    engine_.handle(DatagramsIn{{&datagram, 1}}, now_);
    std::vector<base::Bytes> answers;
    while (const auto output = engine_.poll(now_)) {
      if (const auto* out = std::get_if<SendDatagrams>(&*output); out && out->to == from) answers.push_back(base::to_bytes(out->bytes));
    }
    return answers;
  }

  Time now_{1'000s};
  std::unique_ptr<crypto::Hasher> hasher_ = crypto::make_hasher(crypto::HashAlgorithm::sha256);
  tree::MemoryNodeStore nodes_;
  Metadata metadata_;
  Engine engine_{base::Rng{1}, crypto::SecretRng{{}}, now_};
};

TEST(SwarmLimits, so_many_may_stand_in_the_door_at_once) {
  Seed seed;
  for (std::uint32_t i = 0; i < kMaxHalfOpen; ++i) ASSERT_TRUE(seed.call(i)) << i;
  EXPECT_FALSE(seed.call(kMaxHalfOpen)) << "silence";
  EXPECT_TRUE(seed.call(0)) << "but who stands there may knock again";
  seed.wait(kHalfOpenLife + 1s);
  EXPECT_TRUE(seed.call(kMaxHalfOpen)) << "who did not come in was forgotten";
}

TEST(SwarmLimits, who_comes_in_makes_room_in_the_door) {
  Seed seed;
  for (std::uint32_t i = 0; i < kMaxHalfOpen; ++i) ASSERT_TRUE(seed.call(i));
  const auto again = seed.call(0);
  ASSERT_TRUE(again);
  seed.complete(0, *again);
  EXPECT_TRUE(seed.call(kMaxHalfOpen));
  EXPECT_FALSE(seed.call(kMaxHalfOpen + 1));
}

TEST(SwarmLimits, so_many_may_come_in_and_some_room_is_left_for_our_own_calls) {
  Seed seed;
  for (std::uint32_t i = 0; i < kMaxIncoming; ++i) {
    const auto channel = seed.call(i);
    ASSERT_TRUE(channel) << i;
    seed.complete(i, *channel);
  }
  EXPECT_EQ(seed.peers(), kMaxIncoming);
  EXPECT_LT(kMaxIncoming, kMaxChannels);
  EXPECT_FALSE(seed.call(kMaxIncoming));
  EXPECT_FALSE(seed.call(kMaxIncoming + 1));
  EXPECT_EQ(seed.peers(), kMaxIncoming);
}

}  // namespace
}  // namespace runnel::swarm
