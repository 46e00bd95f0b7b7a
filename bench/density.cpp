// What idle peers cost a node: memory of each, and the processor time of thousands that only keep alive. Engine and sealing are the
// program's own; the peers are engines of the same kind on a virtual network in virtual time, so a minute passes in seconds. Counted are
// the node's bytes on the heap, and its processor time with a real socket for what it sends and receives.
//
//   bench_density [PEERS]
//
// Prints one JSON object per kind: {"kind":..., "peers":..., "bytes_per_peer":..., "core_percent":...}; and for a node of a thousand swarms
// whose peers are known by name alone {"kind":"swarms", "swarms":..., "known_peers":..., "bytes_per_swarm":..., "core_percent":...}.
#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "core/swarm/engine.hpp"
#include "core/swarm/sealing_key.hpp"
#include "core/tree/memory_node_store.hpp"
#include "crypto/openssl.hpp"
#include "net/sealer.hpp"
#include "net/udp_socket.hpp"

namespace {

using namespace runnel;

constexpr std::size_t kPeersOfSwarm = 190;  // below kMaxIncoming
constexpr base::Duration kBetweenCalls{20'000};  // so that no limit on handshakes is met, and no peer of 5,000 is silent for long meanwhile
constexpr base::Duration kIdle = std::chrono::minutes{2};
constexpr base::Duration kStep{10'000};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "bench_density: %s\n", what.c_str());
  std::exit(1);
}

crypto::SecretRng::Seed seed_of(std::uint64_t number) {
  crypto::SecretRng::Seed seed{};
  base::store_big_endian(seed.data(), number);
  return seed;
}

// One file of one chunk; each swarm has another.
struct Content {
  explicit Content(std::uint64_t number) : bytes(swarm::kDefaultChunkSize, static_cast<std::byte>(number)) {
    base::store_big_endian(bytes.data(), number);
    metadata.id = base::to_bytes(crypto::hash(crypto::HashAlgorithm::sha256, bytes).view());
    metadata.content_bytes = bytes.size();
  }
  base::Bytes bytes;
  swarm::Metadata metadata;
  tree::MemoryNodeStore nodes;
};

struct Packet {
  base::Endpoint from, to;
  base::Bytes bytes;
};

// A node without disk: its engine, its sealer, and what it has sent.
class Node {
 public:
  Node(std::uint64_t number, base::Endpoint where, base::Time now)
      : at(where),
        sealer_(seed_of(number)),
        engine_(base::Rng{number}, crypto::SecretRng{seed_of(number)}, now),
        hasher_(crypto::make_hasher(crypto::HashAlgorithm::sha256)) {}

  void add(swarm::SwarmHandle handle, const swarm::Metadata& metadata, tree::NodeStore& nodes, bool holds_it, bool sealed, base::Time now) {
    sealer_.add_swarm(handle, swarm::sealing_key(metadata.id, {}));
    std::vector<tree::ChunkRange> verified;
    if (holds_it) verified.push_back({tree::ChunkIndex{0}, tree::ChunkIndex{0}});
    input(swarm::AddSwarm{handle,
                          metadata,
                          {&nodes, hasher_.get(), nullptr, nullptr},
                          verified,
                          false,
                          sealed ? swarm::SealPolicy::required : swarm::SealPolicy::never},
          now);
  }
  void input(const swarm::Input& in, base::Time now) {
    engine_.handle(in, now);
    drain(now);
  }
  void receive(const base::Endpoint& from, base::MutableByteView bytes, base::Time now) {
    const net::ReceivedDatagrams train{from, bytes, 0};
    sealer_.receive({&train, 1}, now);
    engine_.handle(swarm::DatagramsIn{sealer_.received()}, now);
    drain(now);
  }
  [[nodiscard]] bool due(base::Time now) const {
    const auto engine = engine_.next_deadline();
    const auto sealer = sealer_.next_deadline(now);
    return (engine && *engine <= now) || (sealer && *sealer <= now);
  }
  void drain(base::Time now) {
    sealer_.on_timer(now);
    for (const swarm::CallFailed& failed : sealer_.take_failed()) engine_.handle(failed, now);
    while (const auto output = engine_.poll(now)) {
      if (const auto* send = std::get_if<swarm::SendDatagrams>(&*output)) sealer_.send(*send, gathered_, now);
      if (const auto* closed = std::get_if<swarm::ChannelClosed>(&*output)) sealer_.closed(closed->local);
    }
    sealer_.take_flights(gathered_);
    for (const net::Datagrams& train : gathered_) {
      for (std::size_t i = 0; i < train.count(); ++i) sent.push_back({at, train.peer, base::to_bytes(train.datagram(i))});
    }
    gathered_.clear();
    sealer_.sent();
  }
  [[nodiscard]] std::size_t peers(swarm::SwarmHandle handle, base::Time now) const { return engine_.state(handle, now)->peers.size(); }

  base::Endpoint at;
  std::deque<Packet> sent;

 private:
  net::Sealer sealer_;
  swarm::Engine engine_;
  std::unique_ptr<crypto::Hasher> hasher_;
  std::vector<net::Datagrams> gathered_;
};

// At public addresses: peers at private ones would tell of each other, and call.
struct Peer {
  Peer(std::uint64_t number, base::Time now)
      : node(number + 1000,
             {base::IpAddress::v4(
                  {11, static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}),
              7000},
             now) {}
  tree::MemoryNodeStore nodes;
  Node node;
};

double thread_cpu_s() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// The system calls that the node's datagrams cost: each is really sent to nobody, or received from a socket of ours.
class Wire {
 public:
  void send(const Packet& packet) {
    const net::Datagrams datagram{other_->local(), packet.bytes, 0};
    socket_->send({&datagram, 1});
  }
  void arrives(const Packet& packet) {
    const net::Datagrams datagram{socket_->local(), packet.bytes, 0};
    other_->send({&datagram, 1});
  }
  void receive() {
    const base::MutableByteView view{buffer_};
    net::ReceivedDatagrams got;
    if (socket_->receive({&view, 1}, {&got, 1}) != 1) fail("a datagram is lost on the loopback interface");
  }

 private:
  static std::unique_ptr<net::UdpSocket> open() {
    auto socket = net::UdpSocket::open(*base::Endpoint::parse("127.0.0.1:0"));
    if (!socket) fail(message(socket.error()));
    return std::move(*socket);
  }
  std::unique_ptr<net::UdpSocket> socket_ = open(), other_ = open();
  std::vector<std::byte> buffer_ = std::vector<std::byte>(net::kReceiveBufferBytes);
};

class Crowd {
 public:
  Crowd(std::size_t peers, bool sealed) : sealed_(sealed), node_(1, {base::IpAddress::v4({11, 255, 0, 1}), 7000}, now_) {
    for (std::size_t i = 0; i * kPeersOfSwarm < peers; ++i) {
      contents_.push_back(std::make_unique<Content>(i));
      node_.add(swarm::SwarmHandle{static_cast<std::uint32_t>(i)}, contents_[i]->metadata, contents_[i]->nodes, true, sealed, now_);
    }
  }

  // The next so many peers meet the node. Those that are not kept fall silent, and their memory is given back.
  void meet(std::size_t peers, bool keep) {
    for (std::size_t i = 0; i < peers; ++i) {
      now_ += kBetweenCalls;
      auto peer = std::make_unique<Peer>(met_, now_);
      Content& content = *contents_[met_ / kPeersOfSwarm];
      ++met_;
      peer->node.add(kSwarm, content.metadata, peer->nodes, false, sealed_, now_);
      peer->node.input(swarm::AddPeers{kSwarm, {node_.at}, true}, now_);
      exchange(peer->node);
      const base::Time limit = now_ + std::chrono::seconds{3};
      while (peer->node.peers(kSwarm, now_) == 0 && now_ < limit) {
        now_ += kStep;
        if (peer->node.due(now_)) peer->node.drain(now_);
        exchange(peer->node);
      }
      if (peer->node.peers(kSwarm, now_) == 0) fail("a peer does not get through");
      if (node_.due(now_)) node_.drain(now_);
      exchange(peer->node);
      if (keep) peers_[peer->node.at] = std::move(peer);
    }
  }

  // Addresses of each swarm where nobody answers.
  void hear_of(std::size_t peers_of_swarm) {
    for (std::size_t i = 0; i < contents_.size(); ++i) {
      std::vector<base::Endpoint> heard;
      for (std::size_t k = 0; k < peers_of_swarm; ++k)
        heard.push_back(
            {base::IpAddress::v4({12, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(k)}),
             7000});
      node_.input(swarm::AddPeers{swarm::SwarmHandle{static_cast<std::uint32_t>(i)}, heard, false}, now_);
    }
    node_.sent.clear();
  }

  // The share of the node's processor time in that much virtual time, in which every peer keeps alive.
  double idle_core_percent(base::Duration duration) {
    Wire wire;
    double cpu_s = 0;
    const auto measured = [&](auto work) {
      const double before = thread_cpu_s();
      work();
      cpu_s += thread_cpu_s() - before;
    };
    for (const base::Time end = now_ + duration; now_ < end; now_ += kStep) {
      for (auto& [at, peer] : peers_) {
        if (peer->node.due(now_)) peer->node.drain(now_);
        for (; !peer->node.sent.empty(); peer->node.sent.pop_front()) {
          Packet& packet = peer->node.sent.front();
          if (packet.to != node_.at) continue;  // it has heard of others
          wire.arrives(packet);
          measured([&] {
            wire.receive();
            node_.receive(packet.from, packet.bytes, now_);
          });
        }
      }
      if (node_.due(now_)) measured([&] { node_.drain(now_); });
      for (; !node_.sent.empty(); node_.sent.pop_front()) {
        Packet& packet = node_.sent.front();
        measured([&] { wire.send(packet); });
        if (const auto it = peers_.find(packet.to); it != peers_.end()) it->second->node.receive(packet.from, packet.bytes, now_);
      }
    }
    return 100 * cpu_s / std::chrono::duration<double>(duration).count();
  }

 private:
  static constexpr swarm::SwarmHandle kSwarm{0};

  void exchange(Node& peer) {
    while (!peer.sent.empty() || !node_.sent.empty()) {
      for (; !peer.sent.empty(); peer.sent.pop_front()) {
        if (peer.sent.front().to == node_.at) node_.receive(peer.at, peer.sent.front().bytes, now_);
      }
      for (; !node_.sent.empty(); node_.sent.pop_front()) {
        Packet& packet = node_.sent.front();
        if (packet.to == peer.at) peer.receive(packet.from, packet.bytes, now_);
      }
    }
  }

  bool sealed_;
  base::Time now_{std::chrono::hours{1}};
  Node node_;
  std::vector<std::unique_ptr<Content>> contents_;
  std::map<base::Endpoint, std::unique_ptr<Peer>> peers_;
  std::size_t met_ = 0;
};

// The allocator counts as used what it keeps of freed memory for this thread's next: a quarter of what an idle peer has. It can be told not
// to, but only when a program starts.
void without_thread_cache(char** argv) {
  constexpr const char* kTunables = "GLIBC_TUNABLES";
  if (std::getenv(kTunables) != nullptr) return;
  ::setenv(kTunables, "glibc.malloc.tcache_count=0", 1);
  ::execv("/proc/self/exe", argv);
  fail("cannot start again");
}

std::size_t heap_bytes() { return ::mallinfo2().uordblks; }

double bytes_per_peer(bool sealed) {
  constexpr std::size_t kWarmUp = 20, kCounted = 150;  // of one swarm, so that no table is counted that a swarm has anyhow
  Crowd crowd{kWarmUp + kCounted, sealed};
  crowd.meet(kWarmUp, false);
  const std::size_t before = heap_bytes();
  crowd.meet(kCounted, false);
  return static_cast<double>(heap_bytes() - before) / kCounted;
}

void measure(bool sealed, std::size_t peers) {
  const double bytes = bytes_per_peer(sealed);
  Crowd crowd{peers, sealed};
  crowd.meet(peers, true);
  std::printf("{\"kind\":\"%s\",\"peers\":%zu,\"bytes_per_peer\":%.0f,\"core_percent\":%.3f}\n", sealed ? "sealed" : "plain", peers, bytes,
              crowd.idle_core_percent(kIdle));
  std::fflush(stdout);
}

void measure_swarms() {
  constexpr std::size_t kSwarms = 1000, kPeers = 10;
  const std::size_t before = heap_bytes();
  Crowd crowd{kSwarms * kPeersOfSwarm, true};
  crowd.hear_of(kPeers);
  const double bytes = static_cast<double>(heap_bytes() - before) / kSwarms;
  std::printf("{\"kind\":\"swarms\",\"swarms\":%zu,\"known_peers\":%zu,\"bytes_per_swarm\":%.0f,\"core_percent\":%.3f}\n", kSwarms,
              kSwarms * kPeers, bytes, crowd.idle_core_percent(kIdle));
}

}  // namespace

int main(int argc, char** argv) {
  without_thread_cache(argv);
  const std::size_t peers = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 5000;
  for (const bool sealed : {false, true}) measure(sealed, peers);
  measure_swarms();
}
