#include "core/discovery/pex.hpp"

#include <algorithm>

#include "core/discovery/http_announce.hpp"

namespace runnel::discovery {

Reach reach(const base::IpAddress& address) {
  if (address.is_loopback()) return Reach::loopback;
  if (address.is_private()) return Reach::private_network;
  return usable_endpoint({address, 1}) ? Reach::global : Reach::nowhere;
}

bool may_tell(const base::IpAddress& subject, const base::IpAddress& asker) {
  switch (reach(subject)) {
    case Reach::loopback: return reach(asker) == Reach::loopback;
    case Reach::private_network: return reach(asker) == Reach::loopback || reach(asker) == Reach::private_network;
    case Reach::global: return true;
    case Reach::nowhere: return false;
  }
  return false;
}

bool may_believe(const base::IpAddress& subject, const base::IpAddress& teller) { return may_tell(subject, teller); }

bool plain_pex_allowed(const base::IpAddress& ours_or_theirs, bool compat_swarm) {
  return compat_swarm || ours_or_theirs.is_loopback() || ours_or_theirs.is_private();
}

std::vector<base::Endpoint> choose_pex_peers(const std::vector<PexPeer>& known, const base::Endpoint& asker, base::Time now,
                                             base::Rng& rng) {
  std::vector<base::Endpoint> chosen;
  for (const PexPeer& peer : known) {
    const bool fresh = now - peer.last_heard <= kPexFreshness;
    if (fresh && peer.endpoint != asker && usable_endpoint(peer.endpoint) && may_tell(peer.endpoint.address, asker.address)) {
      chosen.push_back(peer.endpoint);
    }
  }
  std::ranges::shuffle(chosen, rng);
  if (chosen.size() > kMaxPexPeers) chosen.resize(kMaxPexPeers);
  return chosen;
}

}  // namespace runnel::discovery
