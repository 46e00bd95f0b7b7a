// Two sealers and the wire between them, for tests of sealing.
#pragma once
#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "net/sealer.hpp"
#include "unit/net/sealing_fixture.hpp"

namespace runnel::net::test {

using base::Bytes;
using swarm::DatagramIn;
using swarm::Sealing;
using swarm::SendDatagrams;
using swarm::SwarmHandle;
using wire::ChannelId;

constexpr SwarmHandle kFilm{1};
constexpr SwarmHandle kOther{2};
inline const base::Time kStart{std::chrono::hours{1}};

// A first handshake as far as the sealer looks at it, and a datagram of a channel.
inline Bytes call_datagram(std::uint8_t fill = 1) {
  Bytes bytes(60, static_cast<std::byte>(fill));
  base::store_big_endian(bytes.data(), std::uint32_t{0});
  return bytes;
}
inline Bytes channel_datagram(ChannelId to, std::size_t size = 60, std::uint8_t fill = 2) {
  Bytes bytes(size, static_cast<std::byte>(fill));
  base::store_big_endian(bytes.data(), to.value());
  return bytes;
}

// The answer to a call: a HANDSHAKE that names its sender's end.
inline Bytes answer_datagram(ChannelId to, ChannelId from) {
  Bytes bytes = channel_datagram(to);
  bytes[4] = std::byte{0};
  base::store_big_endian(bytes.data() + 5, from.value());
  return bytes;
}

struct Side {
  explicit Side(std::uint8_t number) : at(place(number)) { start(secret_of(number)); }
  // As a program that starts again: it knows nothing of before.
  void start(const Bytes& secret) {
    sealer.emplace(secret);
    sealer->add_swarm(kFilm, key_of("film"));
  }
  base::Endpoint at;
  std::optional<Sealer> sealer;
  std::vector<std::pair<Bytes, std::optional<SwarmHandle>>> got;   // what the engine would have got
};

// Two sealers and what is on its way between them. Nothing is lost unless a test takes it away.
struct Pair : testing::Test {
  Side a{1}, b{2};
  base::Time now = kStart;
  struct Packet {
    Side* to;
    base::Endpoint from;
    Bytes bytes;
  };
  std::deque<Packet> wire;
  std::vector<Bytes> seen;   // all that was ever on the wire

  Pair() {
    for (Side* side : {&a, &b}) side->sealer->add_swarm(kFilm, key_of("film"));
  }

  Side& other(const Side& side) { return &side == &a ? b : a; }
  void put(Side& from, std::vector<Datagrams>& out) {
    for (const Datagrams& train : out) {
      for (std::size_t i = 0; i < train.count(); ++i) {
        seen.push_back(base::to_bytes(train.datagram(i)));
        wire.push_back({&other(from), from.at, seen.back()});
      }
    }
    from.sealer->sent();
  }
  void flush(Side& from) {
    std::vector<Datagrams> out;
    from.sealer->take_flights(out);
    put(from, out);
  }
  void send(Side& from, const Bytes& bytes, std::optional<Sealing> sealing, std::uint16_t segment = 0) {
    std::vector<Datagrams> out;
    from.sealer->send(SendDatagrams{other(from).at, bytes, segment, sealing}, out, now);
    from.sealer->take_flights(out);
    put(from, out);
  }
  base::Duration waits{};   // what is delivered, until it is read
  void deliver(Packet packet) {
    const ReceivedDatagrams train{{packet.from, packet.bytes, 0}, waits};
    packet.to->sealer->receive({&train, 1}, now);
    for (const DatagramIn& datagram : packet.to->sealer->received()) {
      packet.to->got.emplace_back(base::to_bytes(datagram.bytes), datagram.sealed);
      EXPECT_EQ(datagram.waited, waits);
    }
    flush(*packet.to);
  }
  void deliver_all() {
    while (!wire.empty()) {
      Packet packet = std::move(wire.front());
      wire.pop_front();
      deliver(std::move(packet));
    }
  }

  static constexpr ChannelId kA{0xc000'000a};
  static constexpr ChannelId kB{0xc000'000b};
  // A calls, B answers, A says something: from here on both seal.
  void meet() {
    send(a, call_datagram(), Sealing{kFilm, kA});
    deliver_all();
    ASSERT_EQ(b.got.size(), 1U);
    send(b, answer_datagram(kA, kB), Sealing{kFilm, kB});
    deliver_all();
    ASSERT_EQ(a.got.size(), 1U);
    send(a, channel_datagram(kB), Sealing{kFilm, kA});
    deliver_all();
    ASSERT_EQ(b.got.size(), 2U);
    a.got.clear();
    b.got.clear();
  }
};

}  // namespace runnel::net::test
