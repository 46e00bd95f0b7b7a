#include "core/tree/interval_set.hpp"

#include <algorithm>
#include <iterator>

namespace runnel::tree {

IntervalSet::Runs::const_iterator IntervalSet::ending_from(std::uint64_t index) const {
  // Near the end, where a live stream is asked about most.
  constexpr int kNear = 8;
  auto it = runs_.end();
  for (int step = 0; step < kNear; ++step) {
    if (it == runs_.begin()) return it;
    const auto after = it--;
    if (index >= it->first) return index <= it->last ? it : after;
  }
  const auto after = runs_.upper_bound(index);
  if (after == runs_.begin()) return after;
  const auto before = std::prev(after);
  return before->last >= index ? before : after;
}

IntervalSet::Runs::const_iterator IntervalSet::holding(std::uint64_t index) const {
  const auto it = ending_from(index);
  return it != runs_.end() && it->first <= index ? it : runs_.end();
}

std::uint64_t IntervalSet::insert(ChunkRange range) {
  std::uint64_t first = range.first.value();
  std::uint64_t last = range.last.value();
  auto it = ending_from(first == 0 ? 0 : first - 1);   // the first that it touches, if it touches any
  if (it == runs_.end() || it->first > last + 1) {
    runs_.insert(it, Run{first, last});
    const std::uint64_t added = last - first + 1;
    count_ += added;
    return added;
  }
  if (it->first <= first && it->last >= last) return 0;
  // One of those it touches takes all the others in.
  std::uint64_t absorbed = it->last - it->first + 1;
  const auto grown = it++;
  first = std::min(first, grown->first);
  last = std::max(last, grown->last);
  auto until = it;
  for (; until != runs_.end() && until->first <= last + 1; ++until) {
    last = std::max(last, until->last);
    absorbed += until->last - until->first + 1;
  }
  grown->first = first;
  grown->last = last;
  if (until != it) runs_.erase(it, until);
  const std::uint64_t added = last - first + 1 - absorbed;
  count_ += added;
  return added;
}

std::uint64_t IntervalSet::erase(ChunkRange range) {
  const std::uint64_t first = range.first.value();
  const std::uint64_t last = range.last.value();
  std::uint64_t removed = 0;
  auto it = ending_from(first);
  if (it != runs_.end() && it->first < first) {   // its beginning stays, and maybe its end
    const std::uint64_t old_last = it->last;
    removed += std::min(old_last, last) - first + 1;
    it->last = first - 1;
    ++it;
    if (old_last > last) runs_.insert(it, Run{last + 1, old_last});
    if (old_last >= last) {
      count_ -= removed;
      return removed;
    }
  }
  auto until = it;
  for (; until != runs_.end() && until->last <= last; ++until) removed += until->last - until->first + 1;
  if (until != runs_.end() && until->first <= last) {   // its end stays
    removed += last - until->first + 1;
    until->first = last + 1;
  }
  if (until != it) runs_.erase(it, until);
  count_ -= removed;
  return removed;
}

void IntervalSet::erase_below(ChunkIndex first) {
  if (!runs_.empty() && runs_.begin()->first < first.value()) erase({ChunkIndex{0}, ChunkIndex{first.value() - 1}});
}

void IntervalSet::clear() {
  runs_.clear();
  count_ = 0;
}

bool IntervalSet::contains(ChunkRange range) const {
  const auto it = holding(range.first.value());
  return it != runs_.end() && it->last >= range.last.value();
}

bool IntervalSet::intersects(ChunkRange range) const {
  const auto it = ending_from(range.first.value());
  return it != runs_.end() && it->first <= range.last.value();
}

std::optional<ChunkRange> IntervalSet::interval_of(ChunkIndex index) const {
  const auto it = holding(index.value());
  if (it == runs_.end()) return std::nullopt;
  return ChunkRange{ChunkIndex{it->first}, ChunkIndex{it->last}};
}

std::optional<ChunkRange> IntervalSet::next_at(ChunkIndex from) const {
  const auto it = ending_from(from.value());
  if (it == runs_.end()) return std::nullopt;
  return ChunkRange{ChunkIndex{std::max(it->first, from.value())}, ChunkIndex{it->last}};
}

std::optional<ChunkRange> IntervalSet::next_gap(ChunkIndex from, ChunkIndex until) const {
  std::uint64_t first = from.value();
  auto next = ending_from(first);
  if (next != runs_.end() && next->first <= first) {
    first = next->last + 1;
    ++next;
  }
  if (first > until.value()) return std::nullopt;
  const std::uint64_t last = next == runs_.end() ? until.value() : std::min(until.value(), next->first - 1);
  return ChunkRange{ChunkIndex{first}, ChunkIndex{last}};
}

std::optional<ChunkIndex> IntervalSet::newest() const {
  if (runs_.empty()) return std::nullopt;
  return ChunkIndex{std::prev(runs_.end())->last};
}

std::vector<ChunkRange> IntervalSet::list() const {
  std::vector<ChunkRange> all;
  all.reserve(runs_.size());
  for_each([&](ChunkRange range) { all.push_back(range); });
  return all;
}

}  // namespace runnel::tree
