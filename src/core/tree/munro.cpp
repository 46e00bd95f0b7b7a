#include "core/tree/munro.hpp"

namespace runnel::tree {

crypto::Digest build_munro(NodeStore& store, crypto::Hasher& hasher, Bin munro, std::span<const crypto::Digest> leaves) {
  HashTree tree{store, hasher};
  const std::uint64_t first = munro.range().first.value();
  std::vector<NodeHash> level;
  for (std::uint64_t i = 0; i < munro.range().count(); ++i) {
    const crypto::Digest leaf = i < leaves.size() ? leaves[i] : crypto::Digest{crypto::digest_size(hasher.algorithm())};
    level.push_back({Bin::leaf(ChunkIndex{first + i}), leaf});
  }
  while (true) {
    for (const NodeHash& node : level) store.put(node.bin, node.hash);
    if (level.size() == 1) return level[0].hash;
    std::vector<NodeHash> above;
    for (std::size_t i = 0; i < level.size(); i += 2)
      above.push_back({level[i].bin.parent(), tree.parent_of(level[i].hash, level[i + 1].hash)});
    level = std::move(above);
  }
}

}  // namespace runnel::tree
