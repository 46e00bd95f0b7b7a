#include "core/swarm/store_batch.hpp"

#include <algorithm>
#include <ranges>

namespace runnel::swarm {

void StoreBatch::add(tree::ChunkIndex index, base::ByteView chunk) {
  constexpr std::ptrdiff_t kGrowing = 8;   // older runs are not looked at any more
  const auto recent = open_ | std::views::reverse | std::views::take(kGrowing);
  const auto run = std::ranges::find_if(recent, [&](const Run& r) { return r.first.value() + r.chunks.size() == index.value(); });
  if (run != recent.end())
    run->chunks.push_back(chunk);
  else
    open_.push_back({index, {chunk}});
}

std::span<const tree::ChunkRun> StoreBatch::runs() {
  runs_.clear();
  for (const Run& run : open_) runs_.push_back({run.first, run.chunks});
  return runs_;
}

}  // namespace runnel::swarm
