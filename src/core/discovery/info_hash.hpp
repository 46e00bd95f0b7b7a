// What a swarm is called at trackers and in the DHT (decision 13 of the design).
#pragma once
#include "base/bytes.hpp"
#include "core/discovery/types.hpp"

namespace runnel::discovery {

// First 20 bytes of SHA-256 of the swarm id in wire form (static: the root; live: algorithm byte and key, P-256 65 bytes).
InfoHash info_hash(base::ByteView swarm_id);

// For a private link: first 20 bytes of HMAC-SHA-256 of the swarm id under the link's secret, so that a tracker's list of
// swarms tells nothing to those who only know the id.
InfoHash private_info_hash(base::ByteView swarm_id, base::ByteView secret);

// What older peers use: the root itself, its first 20 bytes when it is longer than SHA-1's. nullopt below 20 bytes.
std::optional<InfoHash> compat_info_hash(base::ByteView root);

}  // namespace runnel::discovery
