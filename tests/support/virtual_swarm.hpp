// A few engines on a virtual network in virtual time: the smallest outside that an engine can have. One seed, one trace.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <vector>

#include "core/swarm/engine.hpp"
#include "core/tree/memory_node_store.hpp"
#include "crypto/openssl.hpp"

namespace runnel::test {

struct LinkModel {
  base::Duration delay{20'000};
  base::Duration jitter{2'000};
  double loss = 0;
};

// One engine with its chunk memory.
struct VirtualNode {
  VirtualNode(std::uint64_t seed, base::Endpoint at, base::Time now)
      : endpoint(at), hasher(crypto::make_hasher(crypto::HashAlgorithm::sha256)), engine(base::Rng{seed}, secrets(seed), now) {}
  static crypto::SecretRng secrets(std::uint64_t seed) {
    crypto::SecretRng::Seed bytes{};
    base::store_big_endian(bytes.data(), seed);
    return crypto::SecretRng{bytes};
  }

  base::Endpoint endpoint;
  tree::MemoryNodeStore nodes;
  std::unique_ptr<crypto::Hasher> hasher;
  std::unique_ptr<crypto::Verifier> verifier;
  swarm::Engine engine;
  std::map<std::uint64_t, base::Bytes> chunks;
  std::vector<swarm::Event> events;
  std::function<void(const swarm::Event&)> on_event;
  std::function<void(base::Bytes&)> corrupt;   // what goes out is changed
  std::function<void(const base::Endpoint& to, base::ByteView)> on_send;   // sees each datagram as the engine made it
  std::uint64_t sent_bytes = 0;
  std::uint64_t stored_chunks = 0;
  bool gone = false;
};

class VirtualNetwork {
 public:
  VirtualNetwork(std::uint64_t seed, LinkModel link) : rng_(seed), link_(link) {}

  // In a private network, each at an address of its own.
  VirtualNode& add() {
    const auto number = static_cast<std::uint8_t>(nodes_.size() + 1);
    return add({base::IpAddress::v4({10, 0, 0, number}), 7000});
  }
  VirtualNode& add(const base::Endpoint& at) {
    nodes_.push_back(std::make_unique<VirtualNode>(rng_(), at, now));
    return *nodes_.back();
  }
  void input(VirtualNode& node, const swarm::Input& in) {
    node.engine.handle(in, now);
    drain(node);
  }
  // Until `done` holds or `limit` of virtual time has passed; whether it held.
  bool run_until(const std::function<bool()>& done, base::Duration limit) {
    const base::Time end = now + limit;
    while (!done()) {
      base::Time next = end;
      if (!in_flight_.empty()) next = std::min(next, in_flight_.top().at);
      if (!actions_.empty()) next = std::min(next, actions_.begin()->first);
      for (const auto& node : nodes_) {
        if (const auto deadline = node->engine.next_deadline(); deadline && !node->gone) next = std::min(next, *deadline);
      }
      now = std::max(now, next);
      if (now >= end) return done();
      while (!actions_.empty() && actions_.begin()->first <= now) {
        const auto action = std::move(actions_.begin()->second);
        actions_.erase(actions_.begin());
        action();
      }
      while (!in_flight_.empty() && in_flight_.top().at <= now) {
        const Packet packet = in_flight_.top();
        in_flight_.pop();
        const auto to = std::ranges::find_if(nodes_, [&](const auto& n) { return n->endpoint == packet.to && !n->gone; });
        const swarm::DatagramIn datagram{packet.from, packet.bytes, std::nullopt};
        if (to != nodes_.end()) input(**to, swarm::DatagramsIn{{&datagram, 1}});
      }
      for (const auto& node : nodes_) {
        if (const auto deadline = node->engine.next_deadline(); deadline && *deadline <= now && !node->gone) drain(*node);
      }
    }
    return true;
  }
  void at(base::Duration from_now, std::function<void()> action) { actions_.emplace(now + from_now, std::move(action)); }

  base::Time now{std::chrono::seconds{1000}};

 private:
  struct Packet {
    base::Time at;
    std::uint64_t order;
    base::Endpoint from, to;
    base::Bytes bytes;
    bool operator<(const Packet& other) const { return at != other.at ? at > other.at : order > other.order; }
  };

  void send(VirtualNode& from, const swarm::SendDatagrams& out) {
    for (base::ByteView rest = out.bytes; !rest.empty();) {
      base::Bytes bytes = base::to_bytes(rest.first(std::min<std::size_t>(out.segment_size, rest.size())));
      rest = rest.subspan(bytes.size());
      from.sent_bytes += bytes.size();
      if (from.on_send) from.on_send(out.to, bytes);
      if (from.corrupt) from.corrupt(bytes);
      if (rng_.unit() < link_.loss) continue;
      const base::Duration delay =
          link_.delay + base::Duration{static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(link_.jitter.count()) + 1))};
      base::Time& last = last_arrival_[{from.endpoint, out.to}];   // a path keeps its order
      last = std::max(last, now + delay);
      in_flight_.push({last, order_++, from.endpoint, out.to, std::move(bytes)});
    }
  }
  void drain(VirtualNode& node) {
    std::vector<swarm::LoadChunks> loads;
    while (auto output = node.engine.poll(now)) {
      if (const auto* out = std::get_if<swarm::SendDatagrams>(&*output)) send(node, *out);
      if (const auto* load = std::get_if<swarm::LoadChunks>(&*output)) loads.push_back(*load);
      if (const auto* store = std::get_if<swarm::StoreChunks>(&*output)) {
        for (const tree::ChunkRun& run : store->runs) {
          for (std::size_t i = 0; i < run.chunks.size(); ++i) {
            node.chunks[run.first.value() + i] = base::to_bytes(run.chunks[i]);
            ++node.stored_chunks;
          }
        }
      }
      if (const auto* event = std::get_if<swarm::Event>(&*output)) node.events.push_back(*event);
    }
    const auto events = std::exchange(node.events, {});
    for (const swarm::Event& event : events) {
      if (node.on_event) node.on_event(event);
    }
    for (const swarm::LoadChunks& load : loads) {
      std::vector<base::ByteView> views;
      for (std::uint64_t i = load.range.first.value(); i <= load.range.last.value(); ++i) views.push_back(node.chunks.at(i));
      const swarm::LoadedChunks loaded{load.id, views};
      node.engine.handle(swarm::ChunksLoaded{{&loaded, 1}}, now);
      drain(node);
    }
  }

  base::Rng rng_;
  LinkModel link_;
  std::vector<std::unique_ptr<VirtualNode>> nodes_;
  std::priority_queue<Packet> in_flight_;
  std::multimap<base::Time, std::function<void()>> actions_;
  std::map<std::pair<base::Endpoint, base::Endpoint>, base::Time> last_arrival_;
  std::uint64_t order_ = 0;
};

}  // namespace runnel::test
