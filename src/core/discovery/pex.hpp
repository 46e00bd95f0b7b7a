// Who may be told of whom, and whose word is taken (decision 20; RFC 7574 3.10.1 and 8.13). Pure functions, shared by peer
// exchange, the tracker service and whoever reads a tracker's answer.
#pragma once
#include <cstdint>
#include <vector>

#include "base/endpoint.hpp"
#include "base/rng.hpp"
#include "base/time.hpp"

namespace runnel::discovery {

constexpr base::Duration kPexFreshness = std::chrono::seconds{60};  // RFC 7574 3.10.1
constexpr std::size_t kMaxPexPeers = 32;                            // in one answer: below 500 bytes for IPv4

// How far an address reaches.
enum class Reach : std::uint8_t { loopback, private_network, global, nowhere };
Reach reach(const base::IpAddress& address);

// RFC 7574 8.13: private, unique local and link-local addresses never go to an asker outside such ranges, multicast ones to
// nobody. Ours on top: loopback addresses only to loopback, where alone they mean the same machine.
bool may_tell(const base::IpAddress& subject, const base::IpAddress& asker);

// The other way round: whether an address that `teller` (a tracker, a peer) gave us is worth trying. Else anyone on the open
// internet could point us at the machines beside us.
bool may_believe(const base::IpAddress& subject, const base::IpAddress& teller);

// Decision 20: the plain PEX_RES forms go only between private or loopback addresses, and in compat swarms.
bool plain_pex_allowed(const base::IpAddress& ours_or_theirs, bool compat_swarm);

struct PexPeer {
  base::Endpoint endpoint;
  base::Time last_heard;  // a datagram of theirs arrived
};
// The answer to a PEX_REQ: a random choice of at most kMaxPexPeers of those heard from within kPexFreshness that may be told to
// the asker, never the asker itself.
std::vector<base::Endpoint> choose_pex_peers(const std::vector<PexPeer>& known, const base::Endpoint& asker, base::Time now,
                                             base::Rng& rng);

}  // namespace runnel::discovery
