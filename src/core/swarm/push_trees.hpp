// The trees along which a live stream is pushed: sixteen carry its chunks, two its bundles (docs/EXTENSIONS.md, docs/live.md).
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/rng.hpp"
#include "base/strong.hpp"
#include "base/time.hpp"
#include "core/swarm/metadata.hpp"
#include "core/tree/types.hpp"
#include "core/wire/types.hpp"

namespace runnel::swarm {

constexpr std::size_t kSubstreams = 16;
constexpr std::size_t kBundleTrees = 2;
constexpr std::size_t kTrees = kSubstreams + kBundleTrees;
constexpr std::uint64_t kPushMunroWidth = 32;   // what the maps' 32 bits tell of

// A neighbour, by our channel to it.
using PeerKey = wire::ChannelId;
// How nodes name each other in paths and hints: the lower half of a node id. 0: nobody.
using NodeTag = base::Strong<struct NodeTagTag, std::uint32_t>;
constexpr NodeTag kNobody{0};

constexpr std::uint64_t munro_number(tree::ChunkIndex index) { return index.value() / kPushMunroWidth; }
constexpr unsigned leaf_of(tree::ChunkIndex index) { return static_cast<unsigned>(index.value() % kPushMunroWidth); }
constexpr tree::ChunkIndex chunk_of(std::uint64_t munro, unsigned leaf) { return tree::ChunkIndex{munro * kPushMunroWidth + leaf}; }
constexpr std::size_t tree_of(std::uint64_t munro, unsigned leaf) { return (leaf + base::mix64(munro)) % kSubstreams; }
constexpr std::size_t tree_of(tree::ChunkIndex index) { return tree_of(munro_number(index), leaf_of(index)); }
constexpr bool is_bundle_tree(std::size_t tree) { return tree >= kSubstreams; }

// The leaves 0..used-1 of a munro.
constexpr std::uint32_t leaves(unsigned used) { return used >= 32 ? ~std::uint32_t{0} : (std::uint32_t{1} << used) - 1; }

// When the source gave out an index, by its clock: only differences mean anything.
constexpr base::Duration index_time(tree::ChunkIndex index) {
  const std::uint64_t seconds = index.value() / kLiveIndicesPerSecond;
  const std::uint64_t rest = index.value() % kLiveIndicesPerSecond;
  return base::Duration{static_cast<std::int64_t>(seconds * 1'000'000 + rest * 1'000'000 / kLiveIndicesPerSecond)};
}

}  // namespace runnel::swarm
