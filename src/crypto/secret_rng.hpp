// Randomness that an outsider must not guess: channel ids (RFC 7574 12.1), tokens, transaction ids.
#pragma once
#include <array>
#include <cstdint>

#include "base/bytes.hpp"

namespace runnel::crypto {

// SHA-256 in counter mode over a 32-byte seed, so that a simulation stays reproducible while a node seeds it from the
// operating system. One owner, not thread-safe.
class SecretRng {
 public:
  using Seed = std::array<std::byte, 32>;
  explicit SecretRng(const Seed& seed) : seed_(seed) {}
  std::uint64_t next();
  std::uint32_t next_u32() { return static_cast<std::uint32_t>(next()); }

 private:
  void refill();
  Seed seed_;
  std::uint64_t counter_ = 0;
  std::array<std::byte, 32> block_{};
  std::size_t used_ = 32;
};

// From the operating system. Throws std::runtime_error if it has none to give.
SecretRng::Seed os_random_seed();

}  // namespace runnel::crypto
