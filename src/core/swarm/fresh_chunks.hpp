// Chunks that nobody was told of yet.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/tree/types.hpp"

namespace runnel::swarm {

// What was added since it was taken last, each chunk once. It keeps its room: a download passes through here chunk by chunk.
class FreshChunks {
 public:
  void add(tree::ChunkRange range) {
    count_ += range.count();
    if (!ranges_.empty() && ranges_.back().last.value() + 1 == range.first.value()) {
      ranges_.back().last = range.last;
    } else {
      ranges_.push_back(range);
    }
  }
  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  // Calls fn(ChunkRange) for each range, in order of the chunks, and forgets them.
  template <class Fn>
  void take(Fn fn) {
    std::ranges::sort(ranges_, {}, &tree::ChunkRange::first);
    for (const tree::ChunkRange& range : ranges_) fn(range);
    ranges_.clear();
    count_ = 0;
  }

 private:
  std::vector<tree::ChunkRange> ranges_;
  std::uint64_t count_ = 0;
};

}  // namespace runnel::swarm
