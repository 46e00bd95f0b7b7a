// Who showed a whole munro before its bundle told us how many chunks it has.
#pragma once
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "core/swarm/push_trees.hpp"

namespace runnel::swarm {

class ShownEarly {
 public:
  static constexpr std::size_t kMaxMunros = 64;   // two seconds and more
  static constexpr std::size_t kMaxPeers = 256;   // of one munro: as many as there can be channels
  static constexpr std::uint64_t kLongest = 5 * kLiveIndicesPerSecond / kPushMunroWidth;   // munro numbers: no bundle comes so late

  void add(std::uint64_t munro, PeerKey peer) {
    auto it = munros_.find(munro);
    if (it == munros_.end()) {
      if (munros_.size() >= kMaxMunros) {   // the newest go first: who claims what is still to come takes nobody's place
        const auto newest = std::prev(munros_.end());
        if (munro > newest->first) return;
        munros_.erase(newest);
      }
      it = munros_.try_emplace(munro).first;
    }
    if (it->second.size() < kMaxPeers) it->second.push_back(peer);
  }
  // Its bundle is here.
  [[nodiscard]] std::vector<PeerKey> take(std::uint64_t munro) {
    munros_.erase(munros_.begin(), munros_.lower_bound(munro - std::min(munro, kLongest)));
    const auto it = munros_.find(munro);
    if (it == munros_.end()) return {};
    std::vector<PeerKey> peers = std::move(it->second);
    munros_.erase(it);
    return peers;
  }
  [[nodiscard]] std::size_t size() const { return munros_.size(); }

 private:
  std::map<std::uint64_t, std::vector<PeerKey>> munros_;
};

}  // namespace runnel::swarm
