#include "core/tree/interval_set.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "base/search.hpp"

namespace runnel::tree {

void IntervalSet::Page::put(std::size_t slot, Run run) {
  if (slot == 0 && gone > 0) {
    runs[--gone] = run;
    return;
  }
  runs.insert(runs.begin() + static_cast<std::ptrdiff_t>(gone + slot), run);
}

void IntervalSet::Page::cut(std::size_t first, std::size_t last) {
  if (first == 0) {
    gone += last;
    if (gone > kMostInPage) runs.erase(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(std::exchange(gone, 0)));
    return;
  }
  const auto begin = runs.begin() + static_cast<std::ptrdiff_t>(gone);
  runs.erase(begin + static_cast<std::ptrdiff_t>(first), begin + static_cast<std::ptrdiff_t>(last));
}

void IntervalSet::Page::shrink() {
  constexpr std::size_t kSmall = 8;
  if (runs.capacity() <= 4 * std::max(live().size(), kSmall)) return;
  runs.erase(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(std::exchange(gone, 0)));
  runs.shrink_to_fit();
}

IntervalSet::Place IntervalSet::ending_from(std::uint64_t index) const {
  const auto ends = [index](const Run& run) { return run.last >= index; };
  const auto page = base::first_reached_from_end(pages_.begin(), pages_.end(), [&](const Page& p) { return ends(p.runs.back()); });
  if (page == pages_.end()) return {pages_.size(), 0};
  const auto runs = page->live();
  const auto run = base::first_reached_from_end(runs.begin(), runs.end(), ends);
  return {static_cast<std::size_t>(page - pages_.begin()), static_cast<std::size_t>(run - runs.begin())};
}

IntervalSet::Place IntervalSet::after(Place place) const {
  return place.slot + 1 < pages_[place.page].live().size() ? Place{place.page, place.slot + 1} : Place{place.page + 1, 0};
}

const IntervalSet::Run* IntervalSet::holding(std::uint64_t index) const {
  const Place place = ending_from(index);
  return !is_end(place) && at(place).first <= index ? &at(place) : nullptr;
}

void IntervalSet::put_before(Place place, Run run) {
  ++ranges_;
  if (is_end(place)) {   // a full page at the end stays full: a stream goes on
    if (pages_.empty() || pages_.back().runs.size() >= kMostInPage) pages_.emplace_back();
    pages_.back().runs.push_back(run);
    return;
  }
  if (const auto live = pages_[place.page].live(); live.size() == kMostInPage) {
    const auto upper = live.last(kMostInPage / 2);
    Page half{{upper.begin(), upper.end()}, 0};
    pages_[place.page].runs.resize(pages_[place.page].runs.size() - upper.size());
    pages_.insert(pages_.begin() + static_cast<std::ptrdiff_t>(place.page) + 1, std::move(half));
    if (const std::size_t kept = pages_[place.page].live().size(); place.slot > kept) place = {place.page + 1, place.slot - kept};
  }
  pages_[place.page].put(place.slot, run);
}

void IntervalSet::remove(Place from, Place until) {
  std::size_t page = from.page;
  for (std::size_t slot = from.slot; page < until.page; ++page, slot = 0) {
    const std::size_t size = pages_[page].live().size();
    ranges_ -= size - slot;
    pages_[page].cut(slot, size);
  }
  if (!is_end(until)) {
    const std::size_t slot = from.page == until.page ? from.slot : 0;
    ranges_ -= until.slot - slot;
    pages_[page].cut(slot, until.slot);
  }
  // A page of which little is left gives its memory back, but the last, which grows: what peers claim must not cost more than it tells.
  for (page = from.page; page <= until.page && page + 1 < pages_.size(); ++page) pages_[page].shrink();
  const auto first = pages_.begin() + static_cast<std::ptrdiff_t>(from.page);
  const auto last = pages_.begin() + static_cast<std::ptrdiff_t>(std::min(until.page + 1, pages_.size()));
  pages_.erase(std::remove_if(first, last, [](const Page& p) { return p.live().empty(); }), last);
}

std::uint64_t IntervalSet::insert(ChunkRange range) {
  std::uint64_t first = range.first.value();
  std::uint64_t last = range.last.value();
  const Place touched = ending_from(first == 0 ? 0 : first - 1);
  if (is_end(touched) || at(touched).first > last + 1) {
    put_before(touched, {first, last});
    const std::uint64_t added = last - first + 1;
    count_ += added;
    return added;
  }
  Run& grown = at(touched);   // takes all the others that are touched in
  if (grown.first <= first && grown.last >= last) return 0;
  std::uint64_t absorbed = grown.last - grown.first + 1;
  first = std::min(first, grown.first);
  last = std::max(last, grown.last);
  const Place next = after(touched);
  Place until = next;
  for (; !is_end(until) && at(until).first <= last + 1; until = after(until)) {
    last = std::max(last, at(until).last);
    absorbed += at(until).last - at(until).first + 1;
  }
  grown = {first, last};
  if (until != next) remove(next, until);
  const std::uint64_t added = last - first + 1 - absorbed;
  count_ += added;
  return added;
}

std::uint64_t IntervalSet::erase(ChunkRange range) {
  const std::uint64_t first = range.first.value();
  const std::uint64_t last = range.last.value();
  std::uint64_t removed = 0;
  Place from = ending_from(first);
  if (!is_end(from) && at(from).first < first) {   // its beginning stays, and maybe its end
    const std::uint64_t old_last = at(from).last;
    removed += std::min(old_last, last) - first + 1;
    at(from).last = first - 1;
    from = after(from);
    if (old_last > last) put_before(from, {last + 1, old_last});
    if (old_last >= last) {
      count_ -= removed;
      return removed;
    }
  }
  Place until = from;
  for (; !is_end(until) && at(until).last <= last; until = after(until)) removed += at(until).last - at(until).first + 1;
  if (!is_end(until) && at(until).first <= last) {   // its end stays
    removed += last - at(until).first + 1;
    at(until).first = last + 1;
  }
  if (until != from) remove(from, until);
  count_ -= removed;
  return removed;
}

void IntervalSet::erase_below(ChunkIndex first) {
  if (!empty() && pages_.front().live().front().first < first.value()) erase({ChunkIndex{0}, ChunkIndex{first.value() - 1}});
}

void IntervalSet::clear() {
  pages_.clear();
  ranges_ = 0;
  count_ = 0;
}

bool IntervalSet::contains(ChunkRange range) const {
  const Run* run = holding(range.first.value());
  return run != nullptr && run->last >= range.last.value();
}

bool IntervalSet::intersects(ChunkRange range) const {
  const Place place = ending_from(range.first.value());
  return !is_end(place) && at(place).first <= range.last.value();
}

std::optional<ChunkRange> IntervalSet::interval_of(ChunkIndex index) const {
  const Run* run = holding(index.value());
  if (run == nullptr) return std::nullopt;
  return ChunkRange{ChunkIndex{run->first}, ChunkIndex{run->last}};
}

std::optional<ChunkRange> IntervalSet::next_at(ChunkIndex from) const {
  const Place place = ending_from(from.value());
  if (is_end(place)) return std::nullopt;
  return ChunkRange{ChunkIndex{std::max(at(place).first, from.value())}, ChunkIndex{at(place).last}};
}

std::optional<ChunkRange> IntervalSet::next_gap(ChunkIndex from, ChunkIndex until) const {
  std::uint64_t first = from.value();
  Place next = ending_from(first);
  if (!is_end(next) && at(next).first <= first) {
    first = at(next).last + 1;
    next = after(next);
  }
  if (first > until.value()) return std::nullopt;
  const std::uint64_t last = is_end(next) ? until.value() : std::min(until.value(), at(next).first - 1);
  return ChunkRange{ChunkIndex{first}, ChunkIndex{last}};
}

std::size_t IntervalSet::bytes() const {
  std::size_t bytes = pages_.capacity() * sizeof(Page);
  for (const Page& page : pages_) bytes += page.runs.capacity() * sizeof(Run);
  return bytes;
}

std::optional<ChunkIndex> IntervalSet::newest() const {
  if (empty()) return std::nullopt;
  return ChunkIndex{pages_.back().runs.back().last};
}

std::vector<ChunkRange> IntervalSet::list() const {
  std::vector<ChunkRange> all;
  all.reserve(ranges_);
  for_each([&](ChunkRange range) { all.push_back(range); });
  return all;
}

}  // namespace runnel::tree
