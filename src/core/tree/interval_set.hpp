// A set of chunk indices kept as disjoint, non-touching ranges in order.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "core/tree/types.hpp"

namespace runnel::tree {

// Each operation is O(log n) in the number of ranges, plus the ranges that an operation removes.
class IntervalSet {
 public:
  // Adds a range and merges it with its neighbours. Returns how many chunks were new.
  std::uint64_t insert(ChunkRange range);
  // Returns how many chunks were there.
  std::uint64_t erase(ChunkRange range);
  // Drops everything below `first`.
  void erase_below(ChunkIndex first);
  void clear();

  [[nodiscard]] bool contains(ChunkIndex index) const { return contains(ChunkRange{index, index}); }
  [[nodiscard]] bool contains(ChunkRange range) const;
  [[nodiscard]] bool intersects(ChunkRange range) const;
  // The whole range of the set that holds `index`: what HAVE and ACK name (RFC 7574 4.3).
  [[nodiscard]] std::optional<ChunkRange> interval_of(ChunkIndex index) const;
  // The first range at or after `from`, cut to begin no earlier than `from`.
  [[nodiscard]] std::optional<ChunkRange> next_at(ChunkIndex from) const;
  // The first run of indices in [from, until] that are not in the set.
  [[nodiscard]] std::optional<ChunkRange> next_gap(ChunkIndex from, ChunkIndex until) const;

  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] std::size_t ranges() const { return ranges_.size(); }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::optional<ChunkIndex> newest() const;

  // Calls fn(ChunkRange) for each range in order.
  template <class Fn>
  void for_each(Fn fn) const {
    for (const auto& [first, last] : ranges_) fn(ChunkRange{ChunkIndex{first}, ChunkIndex{last}});
  }
  friend bool operator==(const IntervalSet& a, const IntervalSet& b) { return a.ranges_ == b.ranges_; }

 private:
  using Map = std::map<std::uint64_t, std::uint64_t>;   // first -> last
  [[nodiscard]] Map::const_iterator holding(std::uint64_t index) const;

  Map ranges_;
  std::uint64_t count_ = 0;
};

}  // namespace runnel::tree
