#include "store/range_set.hpp"

#include <algorithm>

namespace runnel::store {

using tree::ChunkIndex;
using tree::ChunkRange;

RangeSet::Runs::const_iterator RangeSet::at_or_after(std::uint64_t index) const {
  auto after = runs_.upper_bound(index);
  if (after != runs_.begin() && std::prev(after)->second >= index) --after;
  return after;
}

void RangeSet::insert(ChunkRange range) {
  std::uint64_t first = range.first.value();
  std::uint64_t last = range.last.value();
  auto run = at_or_after(first == 0 ? 0 : first - 1);   // one that only touches is joined as well
  while (run != runs_.end() && run->first <= last + 1) {
    first = std::min(first, run->first);
    last = std::max(last, run->second);
    count_ -= run->second - run->first + 1;
    run = runs_.erase(run);
  }
  runs_.emplace_hint(run, first, last);
  count_ += last - first + 1;
}

void RangeSet::erase(ChunkRange range) {
  auto run = at_or_after(range.first.value());
  while (run != runs_.end() && run->first <= range.last.value()) {
    const auto [first, last] = *run;
    run = runs_.erase(run);
    count_ -= last - first + 1;
    if (first < range.first.value()) {
      runs_.emplace(first, range.first.value() - 1);
      count_ += range.first.value() - first;
    }
    if (last > range.last.value()) {
      runs_.emplace(range.last.value() + 1, last);
      count_ += last - range.last.value();
      return;
    }
  }
}

bool RangeSet::contains(ChunkRange range) const {
  const auto run = run_of(range.first);
  return run && run->contains(range);
}

bool RangeSet::overlaps(ChunkRange range) const {
  const auto run = at_or_after(range.first.value());
  return run != runs_.end() && run->first <= range.last.value();
}

std::optional<ChunkRange> RangeSet::run_of(ChunkIndex index) const {
  const auto run = at_or_after(index.value());
  if (run == runs_.end() || run->first > index.value()) return std::nullopt;
  return ChunkRange{ChunkIndex{run->first}, ChunkIndex{run->second}};
}

std::vector<ChunkRange> RangeSet::runs_within(ChunkRange range) const {
  std::vector<ChunkRange> found;
  for (auto run = at_or_after(range.first.value()); run != runs_.end() && run->first <= range.last.value(); ++run) {
    found.push_back({ChunkIndex{std::max(run->first, range.first.value())}, ChunkIndex{std::min(run->second, range.last.value())}});
  }
  return found;
}

std::vector<ChunkRange> RangeSet::runs() const {
  std::vector<ChunkRange> found;
  found.reserve(runs_.size());
  for (const auto& [first, last] : runs_) found.push_back({ChunkIndex{first}, ChunkIndex{last}});
  return found;
}

}  // namespace runnel::store
