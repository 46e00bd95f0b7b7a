// What one must know of a swarm before joining it (RFC 7574 3.1, 11.1.1).
#pragma once
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "core/swarm/link.hpp"
#include "core/tree/munro.hpp"
#include "core/wire/types.hpp"
#include "crypto/hash.hpp"
#include "crypto/sign.hpp"

namespace runnel::swarm {

constexpr std::uint64_t kLiveIndicesPerSecond = 8192;            // a live index tells its time
constexpr std::uint64_t kDefaultLiveWindow = 60 * kLiveIndicesPerSecond;

struct Metadata {
  base::Bytes id;   // wire form: the Merkle root, or algorithm byte and public key
  bool live = false;
  std::uint32_t chunk_size = kDefaultChunkSize;   // live: the largest chunk; the wire says "variable"
  crypto::HashAlgorithm hash = crypto::HashAlgorithm::sha256;
  wire::AddressingMethod addressing = wire::AddressingMethod::chunks32;
  std::optional<std::uint64_t> content_bytes;     // static, where the link says it
  bool sign_all = false;                          // live: each chunk is signed (RFC 7574 6.1.1), and a munro of its own: munro_width is 1
  std::uint32_t munro_width = tree::kDefaultMunroWidth;
  std::uint64_t live_window = kDefaultLiveWindow; // chunks kept behind the newest

  // A swarm that older peers can be in (`--compat`; rfc7574.md P3): a file by SHA-1 in chunks of 1024 bytes, named by 32 bits. Both
  // handshakes of each channel agree with it.
  [[nodiscard]] bool compat() const {
    return !live && hash == crypto::HashAlgorithm::sha1 && chunk_size == kDefaultCompatChunkSize &&
           (addressing == wire::AddressingMethod::chunks32 || addressing == wire::AddressingMethod::bins32);
  }
  [[nodiscard]] wire::IntegrityMethod integrity() const {
    if (!live) return wire::IntegrityMethod::merkle_tree;
    return sign_all ? wire::IntegrityMethod::sign_all : wire::IntegrityMethod::unified_merkle_tree;
  }
};

}  // namespace runnel::swarm
