// What came of dealing with each neighbour: keys and adverts are claims, and whoever gave nothing for them is believed no more
// (docs/live.md). Holds what it was told of and not told to forget: one entry for a neighbour.
#pragma once
#include <map>

#include "base/time.hpp"
#include "core/swarm/push_trees.hpp"

namespace runnel::swarm {

class Experience {
 public:
  static constexpr base::Duration kLittleFor = std::chrono::seconds{60};
  static constexpr base::Duration kIdleFor = std::chrono::seconds{30};   // twice as long each time
  static constexpr double kLeastShare = 0.25;

  // ---- as our parent ----
  // It accepted and sent nothing, though there was something.
  void gave_nothing(PeerKey peer);
  // Something, since it accepted.
  void gave(PeerKey peer);
  // A chunk or bundle that was its to bring was had from whomever, and one that it brought.
  void due(PeerKey peer);
  void brought(PeerKey peer);
  // How much it brings of what is its to bring, lately.
  [[nodiscard]] double share(PeerKey peer) const;
  void gave_little(PeerKey peer, base::Time now);
  // What speaks against asking it, in time by which others may be slower.
  [[nodiscard]] base::Duration cost(PeerKey peer, base::Time now) const;

  // ---- as our child ----
  // It stood at the source for nothing.
  void stood_idle(PeerKey peer, base::Time now);
  [[nodiscard]] bool believed(PeerKey peer, base::Time now) const;

  void forget(PeerKey peer) { known_.erase(peer); }

 private:
  struct Known {
    unsigned empty_handed = 0;   // times in a row
    double share = 1;
    base::Time little_until;
    unsigned idle = 0;           // times
    base::Time idle_until;
  };
  [[nodiscard]] const Known* find(PeerKey peer) const;

  std::map<PeerKey, Known> known_;
};

}  // namespace runnel::swarm
