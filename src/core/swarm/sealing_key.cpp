#include "core/swarm/sealing_key.hpp"

#include "crypto/hash.hpp"

namespace runnel::swarm {

SealingKey sealing_key(base::ByteView swarm_id, base::ByteView secret) {
  constexpr std::size_t kSize = 32;
  constexpr std::size_t kIdentitySize = 16;
  SealingKey key;
  key.shared = secret.empty() ? crypto::hkdf_sha256(swarm_id, {}, base::as_bytes("runnel swarm"), kSize)
                              : crypto::hkdf_sha256(secret, swarm_id, base::as_bytes("runnel private swarm"), kSize);
  key.identity = base::to_hex(crypto::hmac_sha256(key.shared, base::as_bytes("id")).view().first(kIdentitySize));
  return key;
}

}  // namespace runnel::swarm
