// Where peers were met that seal: they are never spoken to in the clear again (design decision 9).
#pragma once
#include <cstddef>
#include <deque>
#include <unordered_set>

#include "base/endpoint.hpp"

namespace runnel::swarm {

// Of all swarms of a node. One owner: the engine.
class SealedPlaces {
 public:
  static constexpr std::size_t kMaxPlaces = 10'000;   // some 1 MB; past it the oldest is forgotten

  void add(const base::Endpoint& place) {
    if (!known_.insert(place).second) return;
    order_.push_back(place);
    if (order_.size() <= kMaxPlaces) return;
    known_.erase(order_.front());
    order_.pop_front();
  }
  [[nodiscard]] bool contains(const base::Endpoint& place) const { return known_.contains(place); }
  [[nodiscard]] std::size_t size() const { return known_.size(); }

 private:
  std::unordered_set<base::Endpoint> known_;
  std::deque<base::Endpoint> order_;
};

}  // namespace runnel::swarm
