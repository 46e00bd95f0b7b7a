// Verified chunks on their way to the store, neighbours together.
#pragma once
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "core/tree/types.hpp"

namespace runnel::swarm {

// Several peers send at once, each its own neighbours: a few runs grow side by side.
class StoreBatch {
 public:
  // A view of the chunk is kept, not its bytes.
  void add(tree::ChunkIndex index, base::ByteView chunk);
  // Bytes for such views that nobody else keeps.
  base::ByteView keep(base::Bytes bytes) { return kept_.emplace_back(std::move(bytes)); }
  [[nodiscard]] bool empty() const { return used_ == 0; }
  // Its memory stays for the next.
  void clear() {
    used_ = 0;
    kept_.clear();
  }
  // In the order in which they were begun. The views live until the batch goes.
  [[nodiscard]] std::span<const tree::ChunkRun> runs();

 private:
  struct Run {
    tree::ChunkIndex first;
    std::vector<base::ByteView> chunks;
  };
  std::vector<Run> open_;   // the first used_ hold something
  std::size_t used_ = 0;
  std::vector<tree::ChunkRun> runs_;
  std::vector<base::Bytes> kept_;
};

}  // namespace runnel::swarm
