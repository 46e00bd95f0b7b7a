#include "core/swarm/choker.hpp"

#include <algorithm>
#include <span>

namespace runnel::swarm {

void Choker::adapt(bool crowded, std::size_t interested) {
  if (crowded)
    slots_ = std::max(kSlots, slots_ / 2);
  else if (interested > slots_)
    slots_ = std::min(kMaxSlots, slots_ * 2);
}

std::vector<std::uint32_t> Choker::choose(std::vector<Peer> peers, bool seeding) {
  std::vector<std::uint32_t> chosen;
  if (peers.size() <= slots_) {
    for (const Peer& peer : peers) chosen.push_back(peer.id);
    std::ranges::sort(chosen);
    return chosen;
  }
  const auto worth = [&](const Peer& p) { return std::pair{p.interested, seeding ? p.took_rate : p.gave_rate}; };
  std::ranges::sort(peers, [&](const Peer& a, const Peer& b) { return worth(a) != worth(b) ? worth(a) > worth(b) : a.id < b.id; });
  for (std::size_t i = 0; i + 1 < slots_; ++i) chosen.push_back(peers[i].id);

  const auto rest = std::span{peers}.subspan(slots_ - 1);
  const bool still_here = optimistic_ && std::ranges::any_of(rest, [&](const Peer& p) { return p.id == *optimistic_; });
  if (!still_here || ++round_ % kOptimisticRounds == 0) optimistic_ = rest[rng_.below(rest.size())].id;
  chosen.push_back(*optimistic_);
  std::ranges::sort(chosen);
  return chosen;
}

}  // namespace runnel::swarm
