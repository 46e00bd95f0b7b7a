// A set of chunk indices kept as disjoint, non-touching ranges in order.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/tree/types.hpp"

namespace runnel::tree {

// Ranges stand side by side in pages, since most lookups are about what lies near the end: there two or three cache lines tell all.
// Each operation is O(log n) in the number of ranges, plus the ranges that it removes and the page that it changes; each 32nd range that
// is put between others makes a page, for which one entry of each page beyond is moved, as when a page goes. A set that was moved from is
// not used again.
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

  [[nodiscard]] bool empty() const { return pages_.empty(); }
  [[nodiscard]] std::size_t ranges() const { return ranges_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  // What its ranges take.
  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] std::optional<ChunkIndex> newest() const;
  // Its ranges in order.
  [[nodiscard]] std::vector<ChunkRange> list() const;

  // Calls fn(ChunkRange) for each range in order.
  template <class Fn>
  void for_each(Fn fn) const {
    for (const Page& page : pages_) {
      for (const Run& run : page.live()) fn(ChunkRange{ChunkIndex{run.first}, ChunkIndex{run.last}});
    }
  }
  friend bool operator==(const IntervalSet& a, const IntervalSet& b) { return a.list() == b.list(); }

 private:
  struct Run {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };
  static constexpr std::size_t kMostInPage = 64;
  struct Page {
    std::vector<Run> runs;
    std::size_t gone = 0;   // of these, at the front: a window moves on without moving what it still holds
    [[nodiscard]] std::span<Run> live() { return std::span{runs}.subspan(gone); }
    [[nodiscard]] std::span<const Run> live() const { return std::span{runs}.subspan(gone); }
    void put(std::size_t slot, Run run);
    void cut(std::size_t first, std::size_t last);
    void shrink();
  };
  // Of a run; the end is {pages_.size(), 0}.
  struct Place {
    std::size_t page = 0;
    std::size_t slot = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };

  [[nodiscard]] bool is_end(Place place) const { return place.page == pages_.size(); }
  [[nodiscard]] const Run& at(Place place) const { return pages_[place.page].live()[place.slot]; }
  [[nodiscard]] Run& at(Place place) { return pages_[place.page].live()[place.slot]; }
  [[nodiscard]] Place after(Place place) const;
  // The first run that ends at `index` or after it, or the end.
  [[nodiscard]] Place ending_from(std::uint64_t index) const;
  // The run that holds `index`, or nullptr.
  [[nodiscard]] const Run* holding(std::uint64_t index) const;
  // No place holds after either of these.
  void put_before(Place place, Run run);
  void remove(Place from, Place until);

  std::vector<Page> pages_;   // none is empty
  std::size_t ranges_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace runnel::tree
