#include "core/tree/interval_set.hpp"

#include <algorithm>
#include <iterator>

namespace runnel::tree {

// The range with the greatest first <= index, if it reaches index; else end().
IntervalSet::Map::const_iterator IntervalSet::holding(std::uint64_t index) const {
  if (ranges_.empty()) return ranges_.end();
  // At the end, where a live stream is asked about most.
  if (const auto last = std::prev(ranges_.end()); index >= last->first) return index <= last->second ? last : ranges_.end();
  auto after = ranges_.upper_bound(index);
  if (after == ranges_.begin()) return ranges_.end();
  const auto before = std::prev(after);
  return before->second >= index ? before : ranges_.end();
}

std::uint64_t IntervalSet::insert(ChunkRange range) {
  std::uint64_t first = range.first.value();
  std::uint64_t last = range.last.value();
  std::uint64_t absorbed = 0;
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin()) {
    const auto before = std::prev(it);
    if (before->second >= last) return 0;
    if (before->second + 1 >= first) {
      // The common case of a download: the range grows at its end, and nothing else changes.
      if (it == ranges_.end() || it->first > last + 1) {
        const std::uint64_t added = last - before->second;
        before->second = last;
        count_ += added;
        return added;
      }
      it = before;
    }
  }
  while (it != ranges_.end() && it->first <= last + 1) {
    first = std::min(first, it->first);
    last = std::max(last, it->second);
    absorbed += it->second - it->first + 1;
    it = ranges_.erase(it);
  }
  ranges_.emplace_hint(it, first, last);
  const std::uint64_t added = last - first + 1 - absorbed;
  count_ += added;
  return added;
}

std::uint64_t IntervalSet::erase(ChunkRange range) {
  const std::uint64_t first = range.first.value();
  const std::uint64_t last = range.last.value();
  std::uint64_t removed = 0;
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin() && std::prev(it)->second >= first) --it;
  while (it != ranges_.end() && it->first <= last) {
    const auto [old_first, old_last] = *it;
    removed += std::min(old_last, last) - std::max(old_first, first) + 1;
    if (old_first < first) {   // its beginning stays, and maybe its end
      it->second = first - 1;
      if (old_last > last) ranges_.emplace_hint(std::next(it), last + 1, old_last);
      ++it;
    } else if (old_last > last) {   // its end stays: the same node, so that eating a range away allocates nothing
      const auto next = std::next(it);
      auto node = ranges_.extract(it);
      node.key() = last + 1;
      it = ranges_.insert(next, std::move(node));
    } else {
      it = ranges_.erase(it);
    }
  }
  count_ -= removed;
  return removed;
}

void IntervalSet::erase_below(ChunkIndex first) {
  if (first.value() > 0) erase({ChunkIndex{0}, ChunkIndex{first.value() - 1}});
}

void IntervalSet::clear() {
  ranges_.clear();
  count_ = 0;
}

bool IntervalSet::contains(ChunkRange range) const {
  const auto it = holding(range.first.value());
  return it != ranges_.end() && it->second >= range.last.value();
}

bool IntervalSet::intersects(ChunkRange range) const {
  if (holding(range.first.value()) != ranges_.end()) return true;
  if (ranges_.empty() || ranges_.rbegin()->second < range.first.value()) return false;
  const auto it = ranges_.lower_bound(range.first.value());
  return it != ranges_.end() && it->first <= range.last.value();
}

std::optional<ChunkRange> IntervalSet::interval_of(ChunkIndex index) const {
  const auto it = holding(index.value());
  if (it == ranges_.end()) return std::nullopt;
  return ChunkRange{ChunkIndex{it->first}, ChunkIndex{it->second}};
}

std::optional<ChunkRange> IntervalSet::next_at(ChunkIndex from) const {
  auto it = holding(from.value());
  if (it == ranges_.end() && (ranges_.empty() || ranges_.rbegin()->second < from.value())) return std::nullopt;
  if (it == ranges_.end()) it = ranges_.lower_bound(from.value());
  if (it == ranges_.end()) return std::nullopt;
  return ChunkRange{ChunkIndex{std::max(it->first, from.value())}, ChunkIndex{it->second}};
}

std::optional<ChunkRange> IntervalSet::next_gap(ChunkIndex from, ChunkIndex until) const {
  std::uint64_t first = from.value();
  if (const auto it = holding(first); it != ranges_.end()) first = it->second + 1;
  if (first > until.value()) return std::nullopt;
  const auto next = ranges_.lower_bound(first);
  const std::uint64_t last = next == ranges_.end() ? until.value() : std::min(until.value(), next->first - 1);
  return ChunkRange{ChunkIndex{first}, ChunkIndex{last}};
}

std::optional<ChunkIndex> IntervalSet::newest() const {
  if (ranges_.empty()) return std::nullopt;
  return ChunkIndex{ranges_.rbegin()->second};
}

}  // namespace runnel::tree
