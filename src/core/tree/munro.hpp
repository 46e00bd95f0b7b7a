// Munros of a live swarm: the roots of aligned subtrees of fixed width that the source signs (RFC 7574 6.1.2).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/tree/hash_tree.hpp"
#include "core/tree/types.hpp"

namespace runnel::tree {

// Leaves under a munro, a power of two, fixed per swarm. 32 is the design's default.
constexpr std::uint32_t kDefaultMunroWidth = 32;
constexpr std::uint32_t kMaxMunroWidth = 1024;

constexpr Bin munro_of(ChunkIndex index, std::uint32_t width) {
  const auto layer = static_cast<unsigned>(std::countr_zero(width));
  return Bin::at(layer, index.value() >> layer);
}

// All nodes under a munro whose first leaves are `leaves` and whose other leaves are zero, level by level, the munro's own last. At least
// one leaf and at most the munro's width.
std::vector<NodeHash> munro_nodes(crypto::Hasher& hasher, Bin munro, std::span<const crypto::Digest> leaves);
// The same, trusted in `store`; the munro's hash is returned.
crypto::Digest build_munro(NodeStore& store, crypto::Hasher& hasher, Bin munro, std::span<const crypto::Digest> leaves);

}  // namespace runnel::tree
