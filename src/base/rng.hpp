// Reproducible randomness for policy (which peer, which chunk). Secrets come from crypto::SecretRng.
#pragma once
#include <array>
#include <bit>
#include <cstdint>

namespace runnel::base {

// A finalizer with full avalanche (the one of SplitMix64, Steele et al. 2014).
constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9e37'79b9'7f4a'7c15;
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
  return x ^ (x >> 31);
}

// xoshiro256** (Blackman and Vigna 2018), seeded through SplitMix64. A UniformRandomBitGenerator.
class Rng {
 public:
  using result_type = std::uint64_t;
  explicit Rng(std::uint64_t seed) {
    for (std::uint64_t& word : state_) word = mix64(seed += 0x9e37'79b9'7f4a'7c15);
  }
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~std::uint64_t{0}; }
  result_type operator()() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  // Uniform in [0, bound); bound > 0. Multiply-shift: the bias of at most bound/2^32 is below anything policy sees.
  std::uint64_t below(std::uint64_t bound) {
    if (bound <= 0xffff'ffffU) return ((operator()() >> 32) * bound) >> 32;
    return operator()() % bound;
  }
  // Uniform in [0, 1).
  double unit() { return static_cast<double>(operator()() >> 11) * 0x1.0p-53; }
  // A generator of its own, for a part that must not disturb the order of draws elsewhere.
  Rng fork() { return Rng{operator()()}; }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace runnel::base
