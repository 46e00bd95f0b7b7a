// Which channel id is whose: the engine's routing table, shared by its swarms.
#pragma once
#include <cstdint>
#include <optional>
#include <utility>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/ring.hpp"
#include "core/swarm/io.hpp"
#include "core/wire/types.hpp"
#include "crypto/secret_rng.hpp"

namespace runnel::swarm {

class Swarm;
class Channel;

struct Route {
  Swarm* swarm = nullptr;
  Channel* channel = nullptr;
};

// One owner: the engine.
class ChannelTable {
 public:
  explicit ChannelTable(crypto::SecretRng secrets) : secrets_(secrets) {}

  // Random, unused, not to be guessed (RFC 7574 8.3, 12.1), and at least 0xC0000000: the first byte tells our datagrams from
  // DTLS, STUN and the DHT on the same socket (design decision 17).
  [[nodiscard]] wire::ChannelId new_id() {
    while (true) {
      const wire::ChannelId id{secrets_.next_u32() | 0xc000'0000U};
      if (!routes_.contains(id)) return id;
    }
  }
  void add(wire::ChannelId id, Route route) { routes_.emplace(id, route); }
  void remove(wire::ChannelId id) {
    routes_.erase(id);
    last_ = {};
  }
  [[nodiscard]] Route find(wire::ChannelId id) {
    if (last_.second.channel != nullptr && last_.first == id) return last_.second;   // datagrams come in trains
    const auto it = routes_.find(id);
    if (it == routes_.end()) return {};
    last_ = *it;
    return it->second;
  }
  [[nodiscard]] std::uint64_t secret() { return secrets_.next(); }

 private:
  crypto::SecretRng secrets_;
  boost::unordered_flat_map<wire::ChannelId, Route, std::hash<wire::ChannelId>> routes_;
  std::pair<wire::ChannelId, Route> last_{};
};

// Loads that are under way, by their number.
class LoadTable {
 public:
  struct Load {
    SwarmHandle swarm;
    wire::ChannelId channel;
    tree::ChunkRange range;
    bool pushed = false;   // not asked for by a REQUEST
  };
  [[nodiscard]] LoadId add(const Load& load) {
    loads_.push_back(load);
    return LoadId{first_ + loads_.size() - 1};
  }
  [[nodiscard]] std::optional<Load> take(LoadId id) {
    if (id.value() < first_ || id.value() - first_ >= loads_.size()) return std::nullopt;
    const auto load = std::exchange(loads_[id.value() - first_], std::nullopt);
    while (!loads_.empty() && !loads_.front()) {   // they are mostly answered in order
      loads_.pop_front();
      ++first_;
    }
    return load;
  }

 private:
  std::uint64_t first_ = 1;   // the number of the oldest
  base::Ring<std::optional<Load>> loads_;
};

}  // namespace runnel::swarm
