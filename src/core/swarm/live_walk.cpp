#include "core/swarm/live_walk.hpp"

#include <algorithm>

namespace runnel::swarm {

using tree::ChunkIndex;
using tree::ChunkRange;

std::optional<ChunkIndex> next_shown(const tree::IntervalSet& wanted, const tree::IntervalSet& shown, ShownMark& mark,
                                     std::uint64_t& leaps) {
  while (leaps > 0) {
    const auto run = wanted.next_at(mark.at);
    if (!run) return std::nullopt;
    mark.at = run->first;
    const auto held = shown.next_at(run->first);
    if (!held) return std::nullopt;
    mark.at = held->first;
    if (held->first <= run->last) return held->first;
    --leaps;
  }
  return std::nullopt;
}

std::size_t LiveWalk::add(const tree::IntervalSet& shown, ShownMark& mark, ChunkIndex from) {
  Peer peer{&shown, mark, next_shown(picker_.unasked(), shown, mark, leaps_left_)};
  peer.mark = mark;
  if (peer.next && *peer.next < from) {
    peer.mark.at = from;
    peer.next = next_shown(picker_.unasked(), shown, peer.mark, leaps_left_);
  }
  peers_.push_back(peer);
  return peers_.size() - 1;
}

std::optional<ChunkRange> LiveWalk::next() {
  std::optional<ChunkIndex> first;
  for (const Peer& peer : peers_) {
    if (peer.next && (!first || *peer.next < *first)) first = peer.next;
  }
  if (!first) return std::nullopt;
  const ChunkRange run = *picker_.next_unasked(*first);
  for (Peer& peer : peers_) {
    if (!peer.next || *peer.next > run.last) continue;
    peer.mark.at = ChunkIndex{run.last.value() + 1};
    peer.next = next_shown(picker_.unasked(), *peer.shown, peer.mark, leaps_left_);
  }
  return run;
}

}  // namespace runnel::swarm
