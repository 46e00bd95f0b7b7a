#include "core/swarm/experience.hpp"

#include <algorithm>

namespace runnel::swarm {
namespace {

constexpr base::Duration kEmptyHandedCost{500'000};   // for each time
constexpr unsigned kMaxEmptyHanded = 8;
constexpr unsigned kMaxDoubled = 4;

}  // namespace

const Experience::Known* Experience::find(PeerKey peer) const {
  const auto it = known_.find(peer);
  return it == known_.end() ? nullptr : &it->second;
}

void Experience::gave_nothing(PeerKey peer) {
  Known& known = known_[peer];
  known.empty_handed = std::min(known.empty_handed + 1, kMaxEmptyHanded);
}

void Experience::gave(PeerKey peer) { known_[peer].empty_handed = 0; }

base::Duration Experience::cost(PeerKey peer) const {
  const Known* known = find(peer);
  return known == nullptr ? base::Duration{} : kEmptyHandedCost * known->empty_handed;
}

void Experience::stood_idle(PeerKey peer, base::Time now) {
  Known& known = known_[peer];
  if (now < known.idle_until) return;   // in another tree, for the same time
  known.idle_until = now + kIdleFor * (1 << std::min(known.idle++, kMaxDoubled));
}

bool Experience::was_idle(PeerKey peer, base::Time now) const {
  const Known* known = find(peer);
  return known != nullptr && now < known->idle_until;
}

bool Experience::believed(PeerKey peer, base::Time now) const {
  const Known* known = find(peer);
  return known == nullptr || (known->empty_handed == 0 && !was_idle(peer, now));
}

}  // namespace runnel::swarm
