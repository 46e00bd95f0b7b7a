// A quick 64-bit hash of bytes, for traces and the crypto stand-ins. Not secure, and the same on every machine.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"
#include "base/rng.hpp"

namespace runnel::sim {

// Four lanes of 64 bits, so that the multiplications overlap: about 5 bytes per clock cycle.
inline std::uint64_t mix_bytes(std::uint64_t seed, base::ByteView data) {
  constexpr std::uint64_t kOdd = 0x9e37'79b9'7f4a'7c15;
  constexpr std::size_t kBlock = 32;
  std::array<std::uint64_t, 4> lanes{seed, seed ^ kOdd, seed + kOdd, seed * kOdd};
  const auto absorb = [&lanes](const std::byte* block) {
    std::array<std::uint64_t, 4> words;
    std::memcpy(words.data(), block, kBlock);
    for (std::size_t i = 0; i < lanes.size(); ++i) lanes[i] = std::rotl(lanes[i] ^ words[i], 29) * kOdd;
  };
  std::size_t at = 0;
  for (; at + kBlock <= data.size(); at += kBlock) absorb(data.data() + at);
  std::array<std::byte, kBlock> tail{};
  std::memcpy(tail.data(), data.data() + at, data.size() - at);
  absorb(tail.data());
  std::uint64_t result = data.size();
  for (const std::uint64_t lane : lanes) result = base::mix64(result ^ lane);
  return result;
}

inline std::uint64_t mix_two(std::uint64_t a, std::uint64_t b) { return base::mix64(a ^ base::mix64(b)); }

}  // namespace runnel::sim
