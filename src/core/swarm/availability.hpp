// What one peer holds, as it told us with HAVE and ACK (RFC 7574 3.2, 3.4, 6.2).
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>

#include "core/tree/interval_set.hpp"

namespace runnel::swarm {

class Availability {
 public:
  // A peer that claims crumbs all over is cut short: what does not fit is not believed.
  static constexpr std::size_t kMaxRanges = 16'384;

  // `window`: the peer's discard window in chunks; it holds (newest - window, newest] at most (RFC 7574 6.2).
  void set_window(std::optional<std::uint64_t> window) { window_ = window; }
  // Returns how many chunks are news.
  std::uint64_t add(tree::ChunkRange range) {
    if (window_) {
      const tree::ChunkIndex newest = std::max(range.last, have_.newest().value_or(range.last));
      const tree::ChunkIndex lowest{newest.value() + 1 - std::min(*window_, newest.value() + 1)};
      if (range.last < lowest) return 0;
      range.first = std::max(range.first, lowest);
      have_.erase_below(lowest);
    }
    if (have_.ranges() >= kMaxRanges && !have_.intersects(range)) return 0;
    return have_.insert(range);
  }
  void drop_below(tree::ChunkIndex first) { have_.erase_below(first); }
  void forget(tree::ChunkRange range) { have_.erase(range); }
  [[nodiscard]] const tree::IntervalSet& set() const { return have_; }
  [[nodiscard]] bool has(tree::ChunkRange range) const { return have_.contains(range); }
  [[nodiscard]] bool has_any(tree::ChunkRange range) const { return have_.intersects(range); }

 private:
  tree::IntervalSet have_;
  std::optional<std::uint64_t> window_;
};

}  // namespace runnel::swarm
