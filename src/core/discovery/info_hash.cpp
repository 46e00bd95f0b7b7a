#include "core/discovery/info_hash.hpp"

#include "crypto/hash.hpp"

namespace runnel::discovery {
namespace {

InfoHash truncated(base::ByteView digest) {
  InfoHash id;
  std::ranges::copy(digest.first(kIdSize), id.bytes.begin());
  return id;
}

}  // namespace

InfoHash info_hash(base::ByteView swarm_id) { return truncated(crypto::hash(crypto::HashAlgorithm::sha256, swarm_id).view()); }

InfoHash private_info_hash(base::ByteView swarm_id, base::ByteView secret) {
  return truncated(crypto::hmac_sha256(secret, swarm_id).view());
}

std::optional<InfoHash> compat_info_hash(base::ByteView root) {
  if (root.size() < kIdSize) return std::nullopt;
  return truncated(root);
}

}  // namespace runnel::discovery
