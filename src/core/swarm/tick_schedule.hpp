// Which swarms are to look after themselves next: a node may hold a thousand, and most have nothing to do for long.
#pragma once
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <absl/container/btree_set.h>

#include "base/time.hpp"
#include "core/swarm/io.hpp"

namespace runnel::swarm {

// Each operation is O(log n) in the number of swarms, plus those that are taken.
class TickSchedule {
 public:
  // In place of the time that it had before, if it had one.
  void set(SwarmHandle swarm, base::Time at) {
    const auto [known, fresh] = times_.try_emplace(swarm, at);
    if (!fresh) {
      if (known->second == at) return;
      order_.erase({known->second, swarm});
      known->second = at;
    }
    order_.insert({at, swarm});
  }
  void remove(SwarmHandle swarm) {
    const auto known = times_.find(swarm);
    if (known == times_.end()) return;
    order_.erase({known->second, swarm});
    times_.erase(known);
  }
  [[nodiscard]] std::optional<base::Time> next() const { return order_.empty() ? std::nullopt : std::optional{order_.begin()->first}; }
  // Those whose time has come, earliest first. They keep their place until they are set anew.
  void due(base::Time now, std::vector<SwarmHandle>& swarms) const {
    for (auto it = order_.begin(); it != order_.end() && it->first <= now; ++it) swarms.push_back(it->second);
  }

 private:
  absl::btree_set<std::pair<base::Time, SwarmHandle>> order_;
  std::unordered_map<SwarmHandle, base::Time> times_;
};

}  // namespace runnel::swarm
