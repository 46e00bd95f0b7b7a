// What the tracker remembers: peers of swarms, bounded, until they expire. One interface, several places to keep it.
#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "base/rng.hpp"
#include "base/time.hpp"
#include "core/discovery/http_announce.hpp"
#include "core/discovery/types.hpp"

namespace runnel::tracker {

// About 250 bytes a peer: the defaults end at 130 MB.
struct StoreLimits {
  std::size_t max_swarms = 100'000;
  std::size_t max_peers = 500'000;
  std::size_t max_peers_per_swarm = 50'000;
  std::size_t max_peers_per_address = 64;  // in one swarm, so that no address fills it; loopback apart
  std::size_t max_unwritten = 1'000'000;   // changes that wait for a disk; past it the whole table is written anew
};

struct PeerRecord {
  base::Endpoint endpoint;
  discovery::PeerId peer_id;
  bool seed = false;
  base::Time last_seen;
};

enum class UpdateOutcome : std::uint8_t { stored, full };

struct StoreTotals {
  std::size_t swarms = 0;
  std::size_t peers = 0;
  std::size_t seeds = 0;
};

// One owner, not thread-safe. Times are the steady clock's, handed in.
class TrackerStore {
 public:
  virtual ~TrackerStore() = default;
  // Inserts or refreshes. A swarm that is full loses a random peer, an address that is full its oldest; a full table refuses.
  virtual UpdateOutcome update(const discovery::InfoHash& swarm, const PeerRecord& peer) = 0;
  virtual void remove(const discovery::InfoHash& swarm, const base::Endpoint& endpoint) = 0;
  virtual void count_completed(const discovery::InfoHash& swarm) = 0;
  [[nodiscard]] virtual std::optional<discovery::SwarmCounts> counts(const discovery::InfoHash& swarm) const = 0;
  // Up to `count` peers that `accept` takes, in random order.
  using Filter = std::function<bool(const PeerRecord&)>;
  virtual void sample(const discovery::InfoHash& swarm, std::size_t count, const Filter& accept, base::Rng& rng,
                      std::vector<base::Endpoint>& out) const = 0;
  // Forgets peers last seen before `limit`.
  virtual void expire(base::Time limit) = 0;
  // Makes durable what changed; called about once a second. An error is for the log: the store goes on in memory and tries again.
  virtual std::expected<void, std::string> flush(base::Time now, base::WallTime wall) = 0;
  [[nodiscard]] virtual StoreTotals totals() const = 0;
};

struct OpenStore {
  std::string spec;  // "memory" or "sqlite:FILE"
  StoreLimits limits;
  base::Duration expiry{};  // older peers in a file are left there to be deleted
  base::Time now;
  base::WallTime wall;
};
// The error is a text for the user.
std::expected<std::unique_ptr<TrackerStore>, std::string> open_store(const OpenStore& open);

}  // namespace runnel::tracker
