#include "tracker/memory_store.hpp"

#include <algorithm>
#include <numeric>

namespace runnel::tracker {

using base::Endpoint;
using discovery::InfoHash;

UpdateOutcome MemoryStore::update(const InfoHash& id, const PeerRecord& record) {
  auto swarm = swarms_.find(id);
  if (swarm != swarms_.end()) {
    const auto known = swarm->second.index.find(record.endpoint);
    if (known != swarm->second.index.end()) {
      refresh(id, swarm->second, swarm->second.peers[known->second], record);
      return UpdateOutcome::stored;
    }
  }
  if (ages_.size() >= limits_.max_peers) return UpdateOutcome::full;
  if (swarm == swarms_.end()) {
    if (swarms_.size() >= limits_.max_swarms) return UpdateOutcome::full;
    swarm = swarms_.emplace(id, Swarm{}).first;
  }
  // Which peer of a full swarm goes must only be unlike for unlike newcomers, not secret.
  make_room(swarm, record.endpoint.address, base::mix64(std::hash<Endpoint>{}(record.endpoint) ^ ages_.size()));
  Swarm& s = swarm->second;
  s.index.emplace(record.endpoint, static_cast<std::uint32_t>(s.peers.size()));
  s.peers.push_back({record, ages_.insert(ages_.end(), {id, record.endpoint})});
  s.seeds += record.seed ? 1 : 0;
  seeds_ += record.seed ? 1 : 0;
  if (observer_) observer_(id, record.endpoint);
  return UpdateOutcome::stored;
}

void MemoryStore::refresh(const InfoHash& id, Swarm& swarm, Peer& peer, const PeerRecord& record) {
  if (peer.record.seed != record.seed) {
    swarm.seeds += record.seed ? 1 : -1U;
    seeds_ += record.seed ? 1 : std::size_t(-1);
  }
  peer.record = record;
  ages_.splice(ages_.end(), ages_, peer.age);
  if (observer_) observer_(id, record.endpoint);
}

void MemoryStore::make_room(Swarms::iterator swarm, const base::IpAddress& address, std::uint64_t draw) {
  Swarm& s = swarm->second;
  if (!address.is_loopback()) {
    const auto first = s.index.lower_bound({address, 0});
    const auto last = s.index.upper_bound({address, 0xffff});
    if (static_cast<std::size_t>(std::distance(first, last)) >= limits_.max_peers_per_address) {
      const auto oldest = std::min_element(first, last, [&](const auto& a, const auto& b) {
        return s.peers[a.second].record.last_seen < s.peers[b.second].record.last_seen;
      });
      erase(swarm, oldest->second);
    }
  }
  if (s.peers.size() >= limits_.max_peers_per_swarm) erase(swarm, static_cast<std::uint32_t>(draw % s.peers.size()));
}

// The swarm stays, even if empty: the caller goes on with it or drops it.
void MemoryStore::erase(Swarms::iterator swarm, std::uint32_t position) {
  Swarm& s = swarm->second;
  const Endpoint endpoint = s.peers[position].record.endpoint;
  s.seeds -= s.peers[position].record.seed ? 1 : 0;
  seeds_ -= s.peers[position].record.seed ? 1 : 0;
  ages_.erase(s.peers[position].age);
  s.index.erase(endpoint);
  if (position + 1 != s.peers.size()) {
    s.peers[position] = s.peers.back();
    s.index[s.peers[position].record.endpoint] = position;
  }
  s.peers.pop_back();
  if (observer_) observer_(swarm->first, endpoint);
}

void MemoryStore::remove(const InfoHash& id, const Endpoint& endpoint) {
  const auto swarm = swarms_.find(id);
  if (swarm == swarms_.end()) return;
  const auto known = swarm->second.index.find(endpoint);
  if (known == swarm->second.index.end()) return;
  erase(swarm, known->second);
  if (swarm->second.peers.empty()) swarms_.erase(swarm);
}

void MemoryStore::count_completed(const InfoHash& id) {
  if (const auto swarm = swarms_.find(id); swarm != swarms_.end()) ++swarm->second.completed;
}

void MemoryStore::set_completed(const InfoHash& id, std::uint32_t completed) {
  if (const auto swarm = swarms_.find(id); swarm != swarms_.end()) swarm->second.completed = completed;
}

std::optional<discovery::SwarmCounts> MemoryStore::counts(const InfoHash& id) const {
  const auto swarm = swarms_.find(id);
  if (swarm == swarms_.end()) return std::nullopt;
  const Swarm& s = swarm->second;
  return discovery::SwarmCounts{s.seeds, s.completed, static_cast<std::uint32_t>(s.peers.size()) - s.seeds};
}

// A walk over all positions from a random start with a random step that has no divisor in common with their number: each is
// met once, nothing is copied, and it ends as soon as enough are found.
void MemoryStore::sample(const InfoHash& id, std::size_t count, const Filter& accept, base::Rng& rng, std::vector<Endpoint>& out) const {
  const auto swarm = swarms_.find(id);
  if (swarm == swarms_.end() || count == 0) return;
  const std::vector<Peer>& peers = swarm->second.peers;
  const std::size_t size = peers.size();
  std::size_t step = 1 + rng.below(size);
  while (std::gcd(step, size) != 1) ++step;
  std::size_t at = rng.below(size);
  for (std::size_t i = 0; i < size && count > 0; ++i, at = (at + step) % size) {
    if (!accept(peers[at].record)) continue;
    out.push_back(peers[at].record.endpoint);
    --count;
  }
}

void MemoryStore::expire(base::Time limit) {
  while (!ages_.empty()) {
    const Key key = ages_.front();
    if (find(key.swarm, key.endpoint)->last_seen >= limit) return;
    remove(key.swarm, key.endpoint);
  }
}

StoreTotals MemoryStore::totals() const { return {swarms_.size(), ages_.size(), seeds_}; }

const PeerRecord* MemoryStore::find(const InfoHash& id, const Endpoint& endpoint) const {
  const auto swarm = swarms_.find(id);
  if (swarm == swarms_.end()) return nullptr;
  const auto known = swarm->second.index.find(endpoint);
  return known == swarm->second.index.end() ? nullptr : &swarm->second.peers[known->second].record;
}

void MemoryStore::for_each(const std::function<void(const InfoHash&, const PeerRecord&)>& visit) const {
  for (const auto& [id, swarm] : swarms_) {
    for (const Peer& peer : swarm.peers) visit(id, peer.record);
  }
}

}  // namespace runnel::tracker
