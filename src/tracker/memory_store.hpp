// The tracker's table in memory: every other store keeps a copy of this one.
#pragma once
#include <list>
#include <map>

#include "tracker/store.hpp"

namespace runnel::tracker {

class MemoryStore : public TrackerStore {
 public:
  // Told of each peer that came, was refreshed or went.
  using Observer = std::function<void(const discovery::InfoHash&, const base::Endpoint&)>;

  explicit MemoryStore(StoreLimits limits) : limits_(limits) {}
  void observe(Observer observer) { observer_ = std::move(observer); }

  UpdateOutcome update(const discovery::InfoHash& swarm, const PeerRecord& peer) override;
  void remove(const discovery::InfoHash& swarm, const base::Endpoint& endpoint) override;
  void count_completed(const discovery::InfoHash& swarm) override;
  [[nodiscard]] std::optional<discovery::SwarmCounts> counts(const discovery::InfoHash& swarm) const override;
  void sample(const discovery::InfoHash& swarm, std::size_t count, const Filter& accept, base::Rng& rng,
              std::vector<base::Endpoint>& out) const override;
  void expire(base::Time limit) override;
  std::expected<void, std::string> flush(base::Time, base::WallTime) override { return {}; }
  [[nodiscard]] StoreTotals totals() const override;

  [[nodiscard]] const PeerRecord* find(const discovery::InfoHash& swarm, const base::Endpoint& endpoint) const;
  void set_completed(const discovery::InfoHash& swarm, std::uint32_t completed);
  void for_each(const std::function<void(const discovery::InfoHash&, const PeerRecord&)>& visit) const;

 private:
  struct Key {
    discovery::InfoHash swarm;
    base::Endpoint endpoint;
  };
  using Ages = std::list<Key>;  // least recently seen first; one node for each peer
  struct Peer {
    PeerRecord record;
    Ages::iterator age;
  };
  struct Swarm {
    std::vector<Peer> peers;  // in no order: sampled by index
    std::map<base::Endpoint, std::uint32_t> index;
    std::uint32_t seeds = 0;
    std::uint32_t completed = 0;
  };
  using Swarms = std::map<discovery::InfoHash, Swarm>;  // ordered: outsiders choose the keys, and no hash is to be flooded

  void refresh(const discovery::InfoHash& id, Swarm& swarm, Peer& peer, const PeerRecord& record);
  void make_room(Swarms::iterator swarm, const base::IpAddress& address, std::uint64_t draw);
  void erase(Swarms::iterator swarm, std::uint32_t position);

  StoreLimits limits_;
  Observer observer_;
  Swarms swarms_;
  Ages ages_;
  std::size_t seeds_ = 0;
};

}  // namespace runnel::tracker
