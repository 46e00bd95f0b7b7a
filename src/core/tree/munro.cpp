#include "core/tree/munro.hpp"

namespace runnel::tree {

std::vector<NodeHash> munro_nodes(crypto::Hasher& hasher, Bin munro, std::span<const crypto::Digest> leaves) {
  const std::uint64_t first = munro.range().first.value();
  const std::uint64_t width = munro.range().count();
  const crypto::Digest zero{crypto::digest_size(hasher.algorithm())};
  std::vector<NodeHash> nodes;
  nodes.reserve(2 * width - 1);
  for (std::uint64_t i = 0; i < width; ++i) nodes.push_back({Bin::leaf(ChunkIndex{first + i}), i < leaves.size() ? leaves[i] : zero});
  for (std::size_t i = 0; i + 1 < nodes.size(); i += 2)
    nodes.push_back({nodes[i].bin.parent(), parent_of(hasher, nodes[i].hash, nodes[i + 1].hash)});
  return nodes;
}

crypto::Digest build_munro(NodeStore& store, crypto::Hasher& hasher, Bin munro, std::span<const crypto::Digest> leaves) {
  const std::vector<NodeHash> nodes = munro_nodes(hasher, munro, leaves);
  for (const NodeHash& node : nodes) store.put(node.bin, node.hash);
  return nodes.back().hash;
}

}  // namespace runnel::tree
