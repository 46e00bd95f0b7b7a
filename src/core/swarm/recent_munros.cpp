#include "core/swarm/recent_munros.hpp"

#include <algorithm>

namespace runnel::swarm {

RecentMunros::Munro* RecentMunros::note(std::uint64_t munro, base::Time now) {
  if (const auto it = munros_.find(munro); it != munros_.end()) return &it->second;
  if (unproved_ >= kMaxUnproved) return nullptr;
  if (munros_.size() >= kMaxMunros && munro < munros_.begin()->first) return nullptr;
  ++unproved_;
  munros_.emplace(munro, Munro{since(munro, now), {}, 0, 0});
  make_room();
  return &munros_.at(munro);
}

bool RecentMunros::prove(std::uint64_t munro, unsigned used, base::Time now) {
  auto it = munros_.find(munro);
  if (it == munros_.end()) {
    // What is signed takes the place of hearsay.
    if (munros_.size() >= kMaxMunros && munro < munros_.begin()->first) return false;
    it = munros_.emplace(munro, Munro{since(munro, now), {}, 0, 0}).first;
    ++unproved_;
  }
  if (it->second.used != 0) return false;
  --unproved_;
  it->second.used = used;
  newest_proved_ = std::max(newest_proved_.value_or(munro), munro);
  it->second.proved = now;
  make_room();
  return true;
}

bool RecentMunros::add(tree::ChunkIndex index, base::Time now) {
  Munro* munro = note(munro_number(index), now);
  const std::uint32_t bit = std::uint32_t{1} << leaf_of(index);
  if (munro == nullptr || (munro->have & bit) != 0) return false;
  munro->have |= bit;
  return true;
}

// The oldest goes; if that is one which was just put in, so be it.
void RecentMunros::make_room() {
  while (munros_.size() > kMaxMunros) {
    if (munros_.begin()->second.used == 0) --unproved_;
    munros_.erase(munros_.begin());
  }
}

const RecentMunros::Munro* RecentMunros::find(std::uint64_t munro) const {
  const auto it = munros_.find(munro);
  return it == munros_.end() ? nullptr : &it->second;
}

base::Time RecentMunros::since(std::uint64_t munro, base::Time now) const {
  for (auto it = munros_.lower_bound(munro); it != munros_.end(); ++it) {
    if (it->first == munro) return it->second.since;
    // Nobody's word but the source's makes others old.
    if (it->second.used != 0) return it->second.since - (index_time(chunk_of(it->first, 0)) - index_time(chunk_of(munro, 0)));
  }
  return now;
}

bool RecentMunros::has(tree::ChunkIndex index) const {
  const Munro* munro = find(munro_number(index));
  return munro != nullptr && (munro->have >> leaf_of(index) & 1) != 0;
}

MunroMap RecentMunros::have_map(std::uint64_t first, bool plain) const {
  MunroMap map;
  std::size_t bytes = 0;
  constexpr std::size_t kMost = 400;   // so that it fits a datagram beside others
  for (auto it = munros_.lower_bound(first); it != munros_.end() && map.entries.size() < kMaxMapEntries / 2 && bytes < kMost; ++it) {
    const Munro& munro = it->second;
    if (munro.have == 0) continue;
    const bool whole = munro.whole() && !plain;
    map.entries.push_back({it->first, whole, whole ? 0 : munro.have});
    bytes += whole ? 1 : 5;
  }
  return map;
}

}  // namespace runnel::swarm
