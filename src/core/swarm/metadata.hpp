// What one must know of a swarm before joining it (RFC 7574 3.1, 11.1.1).
#pragma once
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "core/swarm/link.hpp"
#include "core/tree/munro.hpp"
#include "core/wire/types.hpp"
#include "crypto/hash.hpp"
#include "crypto/sign.hpp"

namespace runnel::swarm {

constexpr std::uint64_t kLiveIndicesPerSecond = 8192;  // a live index tells its time

// Indices that stand for so much time, in whole seconds.
constexpr std::uint64_t live_window_of(base::Duration time) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(time).count()) * kLiveIndicesPerSecond;
}
constexpr std::uint64_t kDefaultLiveWindow = live_window_of(std::chrono::seconds{60});
constexpr std::uint64_t kCompatLiveWindow = 65'536;              // chunks of 1024 bytes: two thirds of what a viewer's memory holds

struct Metadata {
  base::Bytes id;   // wire form: the Merkle root, or algorithm byte and public key
  bool live = false;
  std::uint32_t chunk_size = kDefaultChunkSize;   // live: the largest chunk; the wire says "variable", but in the compat form
  crypto::HashAlgorithm hash = crypto::HashAlgorithm::sha256;
  wire::AddressingMethod addressing = wire::AddressingMethod::chunks32;
  std::optional<std::uint64_t> content_bytes;     // static, where the link says it
  bool sign_all = false;  // live: each chunk is signed (RFC 7574 6.1.1), and a munro of its own: munro_width is 1
  std::uint32_t munro_width = tree::kDefaultMunroWidth;
  std::uint64_t live_window = kDefaultLiveWindow;  // chunks kept behind the newest

  // A swarm that older peers can be in (`--compat`; rfc7574.md P3, P9): by SHA-1, in chunks of 1024 bytes, named by 32 bits; a live one
  // signed with P-256, in the form that LiveForm tells. Both handshakes of each channel agree with it.
  [[nodiscard]] bool compat() const {
    const bool narrow = addressing == wire::AddressingMethod::chunks32 || addressing == wire::AddressingMethod::bins32;
    return hash == crypto::HashAlgorithm::sha1 && !sign_all && chunk_size == kDefaultCompatChunkSize && narrow &&
           (!live || signature_algorithm() == crypto::SignatureAlgorithm::ecdsa_p256_sha256);
  }
  // Of a live swarm.
  [[nodiscard]] crypto::SignatureAlgorithm signature_algorithm() const { return static_cast<crypto::SignatureAlgorithm>(id.at(0)); }
  // Whether all chunks, but a file's last, are of the chunk size.
  [[nodiscard]] bool fixed_chunks() const { return !live || compat(); }
  [[nodiscard]] wire::IntegrityMethod integrity() const {
    if (!live) return wire::IntegrityMethod::merkle_tree;
    return sign_all ? wire::IntegrityMethod::sign_all : wire::IntegrityMethod::unified_merkle_tree;
  }
};

// Of a live swarm that a link names; `wire_id`: the link's id as it goes on the wire.
Metadata live_metadata(const Link& link, base::Bytes wire_id);

}  // namespace runnel::swarm
