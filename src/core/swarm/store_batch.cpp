#include "core/swarm/store_batch.hpp"

#include <algorithm>

namespace runnel::swarm {

void StoreBatch::add(tree::ChunkIndex index, base::ByteView chunk) {
  constexpr std::size_t kGrowing = 8;   // older runs are not looked at any more
  for (std::size_t back = 1; back <= std::min(used_, kGrowing); ++back) {
    Run& run = open_[used_ - back];
    if (run.first.value() + run.chunks.size() != index.value()) continue;
    run.chunks.push_back(chunk);
    return;
  }
  if (used_ == open_.size()) open_.emplace_back();
  Run& run = open_[used_++];
  run.first = index;
  run.chunks.assign(1, chunk);
}

std::span<const tree::ChunkRun> StoreBatch::runs() {
  runs_.clear();
  for (const Run& run : std::span{open_}.first(used_)) runs_.push_back({run.first, run.chunks});
  return runs_;
}

}  // namespace runnel::swarm
