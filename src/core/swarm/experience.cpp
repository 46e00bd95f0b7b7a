#include "core/swarm/experience.hpp"

#include <algorithm>

namespace runnel::swarm {
namespace {

constexpr base::Duration kEmptyHandedCost{500'000};   // for each time
constexpr unsigned kMaxEmptyHanded = 8;
constexpr base::Duration kLittleCost = std::chrono::seconds{4};
constexpr double kShareMemory = 16;                   // chunks: about what comes until a parent that starves us is left
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

void Experience::due(PeerKey peer) {
  Known& known = known_[peer];
  known.share -= known.share / kShareMemory;
}

void Experience::brought(PeerKey peer) {
  Known& known = known_[peer];
  known.share = std::min(1.0, known.share + 1 / kShareMemory);
}

double Experience::share(PeerKey peer) const {
  const Known* known = find(peer);
  return known == nullptr ? 1 : known->share;
}

void Experience::gave_little(PeerKey peer, base::Time now) {
  Known& known = known_[peer];
  known.share = 1;   // a new trial, later
  known.little_until = now + kLittleFor;
}

base::Duration Experience::cost(PeerKey peer, base::Time now) const {
  const Known* known = find(peer);
  if (known == nullptr) return {};
  return kEmptyHandedCost * known->empty_handed + (now < known->little_until ? kLittleCost : base::Duration{});
}

void Experience::stood_idle(PeerKey peer, base::Time now) {
  Known& known = known_[peer];
  if (now < known.idle_until) return;   // in another tree, for the same time
  known.idle_until = now + kIdleFor * (1 << std::min(known.idle++, kMaxDoubled));
}

bool Experience::believed(PeerKey peer, base::Time now) const {
  const Known* known = find(peer);
  return known == nullptr || (known->empty_handed == 0 && now >= known->little_until && now >= known->idle_until);
}

}  // namespace runnel::swarm
