// All that comes to the one UDP socket: two nodes shake hands over DTLS while somebody delivers, drops, repeats and changes what they say
// and adds datagrams of any kind (design decision 17). Nothing is taken for sealed that the other side did not have sealed.
#include <deque>
#include <set>

#include "base/check.hpp"
#include "core/swarm/sealing_key.hpp"
#include "fuzz/input.hpp"
#include "net/sealer.hpp"

using namespace runnel;
using namespace runnel::net;
using swarm::SwarmHandle;
using wire::ChannelId;

namespace {

constexpr SwarmHandle kFilm{1};

base::Endpoint place(std::uint8_t last) { return {base::IpAddress::v4({192, 0, 2, last}), 7000}; }

struct Packet {
  std::size_t to;
  base::Endpoint from;
  base::Bytes bytes;
};

class Nodes {
 public:
  Nodes() {
    for (const std::unique_ptr<Sealer>& sealer : sealers_) sealer->add_swarm(kFilm, swarm::sealing_key(base::as_bytes("film"), {}));
  }
  void deliver(Packet packet) {
    Sealer& sealer = *sealers_[packet.to];
    const ReceivedDatagrams train{packet.from, packet.bytes, 0};
    sealer.receive({&train, 1}, now);
    for (const swarm::DatagramIn& datagram : sealer.received()) {
      base::check(datagram.from == packet.from, "a datagram is its sender's");
      if (!datagram.sealed) continue;
      base::check(*datagram.sealed == kFilm, "a swarm that both know");
      base::check(said_.contains(base::to_bytes(datagram.bytes)), "what was sealed was said");
    }
    flush(packet.to);
  }
  void say(std::size_t from, base::Bytes bytes, ChannelId local) {
    said_.insert(bytes);
    std::vector<Datagrams> out;
    sealers_[from]->send(
        {place(static_cast<std::uint8_t>(1 - from)), bytes, static_cast<std::uint16_t>(bytes.size()), swarm::Sealing{kFilm, local}}, out,
        now);
    put(from, out);
    flush(from);
  }
  void pass(base::Duration time) {
    now += time;
    for (std::size_t i = 0; i < sealers_.size(); ++i) {
      sealers_[i]->on_timer(now);
      static_cast<void>(sealers_[i]->take_failed());
      flush(i);
    }
  }

  base::Time now{std::chrono::hours{1}};
  std::deque<Packet> wire;   // the newest last

 private:
  static constexpr std::size_t kMaxOnWire = 64;
  void flush(std::size_t from) {
    std::vector<Datagrams> out;
    sealers_[from]->take_flights(out);
    put(from, out);
  }
  void put(std::size_t from, const std::vector<Datagrams>& out) {
    for (const Datagrams& train : out) {
      for (std::size_t i = 0; i < train.count(); ++i) {
        const base::ByteView bytes = train.datagram(i);
        // Other swarms' and strangers' datagrams go nowhere.
        if (train.peer == place(static_cast<std::uint8_t>(1 - from)))
          wire.push_back({1 - from, place(static_cast<std::uint8_t>(from)), base::to_bytes(bytes)});
      }
    }
    while (wire.size() > kMaxOnWire) wire.pop_front();
    sealers_[from]->sent();
  }

  std::array<std::unique_ptr<Sealer>, 2> sealers_{std::make_unique<Sealer>(base::Bytes(32, std::byte{1})),
                                                  std::make_unique<Sealer>(base::Bytes(32, std::byte{2}))};
  std::set<base::Bytes> said_;
};

// A HANDSHAKE as far as a sealer looks at it.
base::Bytes handshake(ChannelId to, ChannelId from) {
  base::Bytes bytes(40);
  base::store_big_endian(bytes.data(), to.value());
  base::store_big_endian(bytes.data() + 5, from.value());
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::array<ChannelId, 2> kChannels{ChannelId{0xc000'000a}, ChannelId{0xc000'000b}};
  fuzz::Input input{data, size};
  Nodes nodes;
  for (int steps = 0; steps < 64 && !input.empty(); ++steps) {
    const std::uint8_t choice = input.octet();
    const std::size_t who = choice >> 7U;
    switch (choice % 8) {
      case 0: nodes.say(who, handshake(wire::kNoChannel, kChannels[who]), kChannels[who]); break;
      case 1: nodes.say(who, handshake(kChannels[1 - who], kChannels[who]), kChannels[who]); break;
      case 2: {
        base::Bytes bytes = handshake(kChannels[1 - who], ChannelId{static_cast<std::uint32_t>(steps)});
        nodes.say(who, std::move(bytes), kChannels[who]);
        break;
      }
      case 3:   // everything arrives
        for (int i = 0; i < 32 && !nodes.wire.empty(); ++i) {
          Packet packet = std::move(nodes.wire.front());
          nodes.wire.pop_front();
          nodes.deliver(std::move(packet));
        }
        break;
      case 4:   // one arrives changed, and stays on its way as well
        if (!nodes.wire.empty()) {
          Packet packet = nodes.wire[input.octet() % nodes.wire.size()];
          packet.bytes[input.word() % packet.bytes.size()] ^= static_cast<std::byte>(1U << (choice >> 4U & 7U));
          nodes.deliver(std::move(packet));
        }
        break;
      case 5:   // one is lost
        if (!nodes.wire.empty()) nodes.wire.pop_back();
        break;
      case 6: {
        const base::Endpoint from = place((choice & 64U) != 0 ? static_cast<std::uint8_t>(1 - who) : std::uint8_t{9});
        nodes.deliver({who, from, base::to_bytes(input.piece())});
        break;
      }
      case 7: nodes.pass(base::Duration{std::int64_t{input.octet()} * 20'000}); break;
    }
  }
  return 0;
}
