#include "core/swarm/picker.hpp"

#include <algorithm>
#include <iterator>

namespace runnel::swarm {

using tree::ChunkIndex;
using tree::ChunkRange;

namespace {

const tree::IntervalSet kNothing;

}  // namespace

std::optional<ChunkRange> first_missing(ChunkRange within, const tree::IntervalSet& peer, const PickState& state) {
  // Each step passes one range of one of the sets; a peer that holds crumbs must not cost us long walks.
  constexpr int kMaxSteps = 256;
  ChunkIndex at = within.first;
  for (int step = 0; step < kMaxSteps && at <= within.last; ++step) {
    const auto held = peer.next_at(at);
    if (!held || held->first > within.last) return std::nullopt;
    const ChunkIndex until = std::min(held->last, within.last);
    const auto gap = state.have.next_gap(held->first, until);
    if (!gap) {
      at = ChunkIndex{until.value() + 1};
      continue;
    }
    auto free = state.requested.next_gap(gap->first, gap->last);
    if (!free) {
      at = ChunkIndex{gap->last.value() + 1};
      continue;
    }
    if (state.elsewhere != nullptr) {
      const ChunkIndex end = free->last;
      free = state.elsewhere->next_gap(free->first, end);
      if (!free) {
        at = ChunkIndex{end.value() + 1};
        continue;
      }
    }
    const std::uint64_t boundary = free->first.value() / kRequestChunks * kRequestChunks + kRequestChunks - 1;
    return ChunkRange{free->first, std::min(free->last, ChunkIndex{boundary})};
  }
  return std::nullopt;
}

bool Wants::add(const Entry& entry) {
  remove(entry.token);
  if (entries_.size() >= kMaxWants) return false;
  entries_.insert(std::ranges::upper_bound(entries_, entry.deadline, {}, &Entry::deadline), entry);
  return true;
}

void Wants::remove(std::uint64_t token) {
  std::erase_if(entries_, [&](const Entry& e) { return e.token == token; });
}

std::vector<std::uint64_t> Wants::take_ready(const tree::IntervalSet& have) {
  std::vector<std::uint64_t> ready;
  std::erase_if(entries_, [&](const Entry& e) {
    if (!have.contains(e.range)) return false;
    ready.push_back(e.token);
    return true;
  });
  return ready;
}

// ---- static ---------------------------------------------------------------------------------------------------------

ChunkRange StaticPicker::piece_of(ChunkIndex index) const {
  const std::uint64_t first = index.value() / kPieceChunks * kPieceChunks;
  return {ChunkIndex{first}, ChunkIndex{std::min(first + kPieceChunks, chunks_) - 1}};
}

void StaticPicker::count(ChunkRange range, bool more) {
  range.last = std::min(range.last, ChunkIndex{chunks_ - 1});   // before the size was known, peers could claim anything
  for (std::uint64_t at = range.first.value(); at <= range.last.value();) {
    const ChunkRange piece = piece_of(ChunkIndex{at});
    const std::uint64_t until = std::min(piece.last.value(), range.last.value());
    std::uint32_t& held = held_[at / kPieceChunks];
    const auto chunks = static_cast<std::uint32_t>(until - at + 1);
    held = more ? held + chunks : held - std::min(held, chunks);
    at = until + 1;
  }
}

void StaticPicker::peer_gone(const tree::IntervalSet& had) {
  had.for_each([&](ChunkRange range) { count(range, false); });
}

std::optional<ChunkRange> StaticPicker::pick_wanted(const Wants& wants, const tree::IntervalSet& peer, const PickState& state) const {
  for (const Wants::Entry& want : wants.by_deadline()) {
    if (const auto found = first_missing(want.range, peer, state)) return found;
  }
  return std::nullopt;
}

std::optional<ChunkRange> StaticPicker::pick(const tree::IntervalSet& peer, const PickState& state, PickCursor& cursor, bool in_order) {
  if (cursor.piece) {
    if (const auto found = first_missing(*cursor.piece, peer, state)) return found;
    cursor.piece.reset();
  }
  const ChunkRange all{ChunkIndex{0}, ChunkIndex{chunks_ - 1}};
  if (in_order) return first_missing(all, peer, state);

  std::optional<ChunkRange> best;
  std::uint32_t best_held = 0;
  for (int sample = 0; sample < kSamples; ++sample) {
    const ChunkIndex start{rng_.below(held_.size()) * kPieceChunks};
    auto found = first_missing({start, all.last}, peer, state);
    if (!found) found = first_missing(all, peer, state);
    if (!found) return best;
    const std::uint32_t held = held_[found->first.value() / kPieceChunks];
    if (!best || held < best_held) {
      best = found;
      best_held = held;
    }
  }
  cursor.piece = piece_of(best->first);
  return best;
}

bool PieceShare::set_members(std::uint64_t self, std::vector<std::uint64_t> others) {
  std::ranges::sort(others);
  if (self == self_ && others == others_) return false;
  self_ = self;
  others_ = std::move(others);
  return true;
}

bool PieceShare::is_ours(std::uint64_t piece) const {
  const auto draw = [piece](std::uint64_t id) { return std::pair{base::mix64(id ^ base::mix64(piece)), id}; };
  const auto ours = draw(self_);
  return std::ranges::none_of(others_, [&](std::uint64_t other) { return draw(other) > ours; });
}

void StaticPicker::share_with(std::uint64_t self, std::vector<std::uint64_t> others) {
  // What was given back meanwhile is found by the next walk.
  if (!share_.set_members(self, std::move(others)) && walked_ < held_.size()) return;
  first_piece_ = rng_.below(held_.size());
  walked_ = 0;
}

std::optional<ChunkRange> StaticPicker::pick_ours(const tree::IntervalSet& peer, const PickState& state, PickCursor& cursor) {
  if (cursor.piece) {
    if (const auto found = first_missing(*cursor.piece, peer, state)) return found;
    cursor.piece.reset();
  }
  constexpr int kMaxSteps = 4096;   // the walk goes on with the next pick
  for (int step = 0; step < kMaxSteps && walked_ < held_.size(); ++step, ++walked_) {
    const std::uint64_t piece = (first_piece_ + walked_) % held_.size();
    if (!share_.is_ours(piece)) continue;
    const ChunkRange range = piece_of(ChunkIndex{piece * kPieceChunks});
    const auto found = first_missing(range, peer, state);
    if (!found) continue;
    cursor.piece = range;
    ++walked_;
    return found;
  }
  return std::nullopt;
}

// ---- live -----------------------------------------------------------------------------------------------------------

std::vector<ChunkRange> LivePicker::seen(ChunkRange range, const tree::IntervalSet& have, base::Time now, bool believed) {
  std::vector<ChunkRange> news;
  for (auto gap = have.next_gap(range.first, range.last); gap; gap = have.next_gap(ChunkIndex{gap->last.value() + 1}, range.last)) {
    for (auto fresh = missing_.next_gap(gap->first, gap->last); fresh; fresh = missing_.next_gap(fresh->first, gap->last)) {
      missing_.insert(*fresh);
      unasked_.insert(*fresh);
      news.push_back(*fresh);
    }
    if (believed) note(gap->first.value() / width_, gap->last.value() / width_, now);
    if (gap->last == range.last) break;
  }
  return news;
}

// Those among them that were not shown before.
void LivePicker::note(std::uint64_t first_munro, std::uint64_t last_munro, base::Time now) {
  auto next = seen_.upper_bound(first_munro);
  if (next != seen_.begin()) first_munro = std::max(first_munro, std::prev(next)->second.last + 1);
  while (first_munro <= last_munro && seen_.size() < kMaxSeen) {
    const std::uint64_t until = next == seen_.end() ? last_munro : std::min(last_munro, next->first - 1);
    if (first_munro <= until) seen_.emplace_hint(next, first_munro, Shown{until, now});
    if (next == seen_.end()) return;
    first_munro = next->second.last + 1;
    ++next;
  }
}

void LivePicker::returned(ChunkRange range) {
  for (auto run = missing_.next_at(range.first); run && run->first <= range.last;
       run = missing_.next_at(ChunkIndex{run->last.value() + 1})) {
    unasked_.insert({run->first, std::min(run->last, range.last)});
  }
}

void LivePicker::drop_below(ChunkIndex first) {
  missing_.erase_below(first);
  unasked_.erase_below(first);
  const std::uint64_t munro = first.value() / width_;
  while (!seen_.empty() && seen_.begin()->second.last < munro) seen_.erase(seen_.begin());
}

void LivePicker::drop_above(ChunkIndex last) {
  constexpr ChunkIndex kEnd{~std::uint64_t{0} - 1};
  if (last >= kEnd) return;
  const ChunkRange above{ChunkIndex{last.value() + 1}, kEnd};
  missing_.erase(above);
  unasked_.erase(above);
}

std::optional<ChunkRange> LivePicker::next_unasked(ChunkIndex from) const {
  const auto run = unasked_.next_at(from);
  if (!run) return std::nullopt;
  const std::uint64_t end = run->first.value() / width_ * width_ + width_ - 1;
  return ChunkRange{run->first, std::min(run->last, ChunkIndex{end})};
}

bool LivePicker::due(ChunkIndex index, std::size_t holders, std::size_t neighbours, base::Time now) const {
  const std::uint64_t munro = index.value() / width_;
  const auto after = seen_.upper_bound(munro);
  if (after == seen_.begin() || std::prev(after)->second.last < munro) return true;
  const base::Time since = std::prev(after)->second.at;
  const double turn = static_cast<double>(base::mix64(munro ^ salt_) >> 11) * 0x1.0p-53;   // ours, in [0, 1)
  const double open = kTakers * static_cast<double>(holders) / static_cast<double>(neighbours);
  const double waited = static_cast<double>((now - since).count()) / static_cast<double>(kLongestWait.count());
  return turn < open + waited;
}

}  // namespace runnel::swarm
