// A set of chunk indices as disjoint runs.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/tree/types.hpp"

namespace runnel::store {

class RangeSet {
 public:
  void insert(tree::ChunkRange range);
  void erase(tree::ChunkRange range);
  void clear() { *this = RangeSet{}; }

  [[nodiscard]] bool empty() const { return runs_.empty(); }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] bool contains(tree::ChunkIndex index) const { return run_of(index).has_value(); }
  [[nodiscard]] bool contains(tree::ChunkRange range) const;
  [[nodiscard]] bool overlaps(tree::ChunkRange range) const;
  // The run that `index` is in.
  [[nodiscard]] std::optional<tree::ChunkRange> run_of(tree::ChunkIndex index) const;
  // The runs within `range`, clipped to it, in order.
  [[nodiscard]] std::vector<tree::ChunkRange> runs_within(tree::ChunkRange range) const;
  [[nodiscard]] std::vector<tree::ChunkRange> runs() const;

 private:
  using Runs = std::map<std::uint64_t, std::uint64_t>;   // first -> last; neither overlapping nor touching
  // The run that contains or follows `index`.
  [[nodiscard]] Runs::const_iterator at_or_after(std::uint64_t index) const;

  Runs runs_;
  std::uint64_t count_ = 0;
};

}  // namespace runnel::store
