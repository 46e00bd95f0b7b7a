// Hashes and signatures for simulated nodes: a cheap stand-in, so that runs are fast, or the real thing. Both are the same for
// the same seed, so that traces repeat.
#pragma once
#include <cstdint>
#include <memory>

#include "crypto/hash.hpp"
#include "crypto/sign.hpp"

namespace runnel::sim {

enum class CryptoKind : std::uint8_t {
  stand_in,   // 64-bit mixing behind the sizes of SHA-256 and ECDSA P-256
  real,       // SHA-256 and Ed25519 from OpenSSL (ECDSA draws a nonce per signature, so its traces would not repeat)
};

class CryptoKit {
 public:
  CryptoKit(CryptoKind kind, std::uint64_t seed) : kind_(kind), seed_(seed) {}

  [[nodiscard]] std::unique_ptr<crypto::Hasher> hasher() const;
  // The key of the simulation's one live swarm; every call gives the same.
  [[nodiscard]] std::unique_ptr<crypto::Signer> signer() const;
  [[nodiscard]] std::unique_ptr<crypto::Verifier> verifier() const;

 private:
  CryptoKind kind_;
  std::uint64_t seed_;
};

}  // namespace runnel::sim
