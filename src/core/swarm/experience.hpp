// What came of dealing with each neighbour: keys and adverts are claims, and whoever gave nothing for them is believed no more
// (docs/live.md). Holds what it was told of and not told to forget: one entry for a neighbour.
#pragma once
#include <map>

#include "base/time.hpp"
#include "core/swarm/push_trees.hpp"

namespace runnel::swarm {

class Experience {
 public:
  static constexpr base::Duration kIdleFor = std::chrono::minutes{2};   // twice as long each time

  // ---- as our parent ----
  // It accepted and sent nothing, though there was something.
  void gave_nothing(PeerKey peer);
  // Something, since it accepted.
  void gave(PeerKey peer);
  // What speaks against asking it, in time by which others may be slower.
  [[nodiscard]] base::Duration cost(PeerKey peer) const;

  // ---- as our child ----
  // It stood at the source for nothing.
  void stood_idle(PeerKey peer, base::Time now);
  [[nodiscard]] bool was_idle(PeerKey peer, base::Time now) const;   // not long ago
  [[nodiscard]] bool believed(PeerKey peer, base::Time now) const;

  void forget(PeerKey peer) { known_.erase(peer); }

 private:
  struct Known {
    unsigned empty_handed = 0;   // times in a row
    unsigned idle = 0;           // times
    base::Time idle_until;
  };
  [[nodiscard]] const Known* find(PeerKey peer) const;

  std::map<PeerKey, Known> known_;
};

}  // namespace runnel::swarm
