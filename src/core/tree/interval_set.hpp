// A set of chunk indices kept as disjoint, non-touching ranges in order.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <absl/container/btree_set.h>

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

  [[nodiscard]] bool empty() const { return runs_.empty(); }
  [[nodiscard]] std::size_t ranges() const { return runs_.size(); }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::optional<ChunkIndex> newest() const;
  // Its ranges in order.
  [[nodiscard]] std::vector<ChunkRange> list() const;

  // Calls fn(ChunkRange) for each range in order.
  template <class Fn>
  void for_each(Fn fn) const {
    for (const Run& run : runs_) fn(ChunkRange{ChunkIndex{run.first}, ChunkIndex{run.last}});
  }
  friend bool operator==(const IntervalSet& a, const IntervalSet& b) { return a.runs_ == b.runs_; }

 private:
  // They are cut where they stand: disjoint ranges keep their order.
  struct Run {
    mutable std::uint64_t first = 0;
    mutable std::uint64_t last = 0;
    friend bool operator==(const Run&, const Run&) = default;
  };
  struct ByFirst {
    using is_transparent = void;
    bool operator()(const Run& a, const Run& b) const { return a.first < b.first; }
    bool operator()(const Run& a, std::uint64_t b) const { return a.first < b; }
    bool operator()(std::uint64_t a, const Run& b) const { return a < b.first; }
  };
  using Runs = absl::btree_set<Run, ByFirst>;
  // The first run that ends at `index` or after it, or end().
  [[nodiscard]] Runs::const_iterator ending_from(std::uint64_t index) const;
  // The run that holds `index`, or end().
  [[nodiscard]] Runs::const_iterator holding(std::uint64_t index) const;

  Runs runs_;
  std::uint64_t count_ = 0;
};

}  // namespace runnel::tree
