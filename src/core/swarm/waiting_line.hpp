// Viewers that give nothing are served in the order in which they came, as far as uplink is left for them, and newcomers after those who
// were there before: who waits for us to have room, and where we stand with others.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "core/swarm/push_trees.hpp"

namespace runnel::swarm {

class WaitingLine {
 public:
  static constexpr std::size_t kMaxWaiting = 256;                         // as many as there can be neighbours
  static constexpr base::Duration kPatience = std::chrono::seconds{5};    // who asks no more has found what it needs, or is gone

  // It was refused, and we have known it since `met`. Its place, from 1; past the last whoever comes has the same.
  std::uint16_t refused(PeerKey peer, base::Time met, base::Time now) {
    std::erase_if(waiting_, [&](const auto& entry) { return now - entry.second.asked > kPatience; });
    if (waiting_.size() < kMaxWaiting || waiting_.contains(peer)) waiting_[peer] = {met, now};
    const auto before = std::ranges::count_if(waiting_, [&](const auto& entry) { return entry.second.met < met; });
    return static_cast<std::uint16_t>(before + 1);
  }
  void forget(PeerKey peer) { waiting_.erase(peer); }
  [[nodiscard]] std::size_t size() const { return waiting_.size(); }

 private:
  struct Waiting {
    base::Time met;
    base::Time asked;
  };
  std::map<PeerKey, Waiting> waiting_;
};

// What we are told of our place. Each parent has met us and the others at another time, so the middle of the last answers counts.
class Place {
 public:
  static constexpr std::size_t kMaxTold = 15;

  void told(std::uint16_t place, base::Time now) {
    told_.push_back({place, now});
    if (told_.size() > kMaxTold) told_.pop_front();
  }
  // nullopt: nobody says any more that we wait.
  [[nodiscard]] std::optional<unsigned> now(base::Time now) const {
    std::vector<std::uint16_t> places;
    for (const Told& one : told_) {
      if (now - one.at <= WaitingLine::kPatience) places.push_back(one.place);
    }
    if (places.empty()) return std::nullopt;
    const auto middle = places.begin() + static_cast<std::ptrdiff_t>(places.size() / 2);
    std::ranges::nth_element(places, middle);
    return *middle;
  }

 private:
  struct Told {
    std::uint16_t place = 0;
    base::Time at;
  };
  std::deque<Told> told_;
};

}  // namespace runnel::swarm
