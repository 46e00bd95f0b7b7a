#include "core/swarm/held_chunks.hpp"

#include <algorithm>
#include <iterator>

namespace runnel::swarm {

bool HeldChunks::add(tree::ChunkIndex index, base::ByteView payload, base::Time now) {
  if (held_.size() >= kMaxChunks || std::ranges::find(held_, index, &Held::index) != held_.end()) return false;
  held_.push_back({index, base::to_bytes(payload), now});
  return true;
}

std::vector<HeldChunks::Held> HeldChunks::take(tree::ChunkRange range) {
  std::vector<Held> taken;
  const auto rest = std::stable_partition(held_.begin(), held_.end(), [&](const Held& h) { return !range.contains(h.index); });
  std::move(rest, held_.end(), std::back_inserter(taken));
  held_.erase(rest, held_.end());
  return taken;
}

std::vector<tree::ChunkIndex> HeldChunks::take_expired(base::Time now) {
  std::vector<tree::ChunkIndex> expired;
  std::erase_if(held_, [&](const Held& h) {
    if (now - h.since < kLongest) return false;
    expired.push_back(h.index);
    return true;
  });
  return expired;
}

std::vector<tree::ChunkIndex> HeldChunks::ask_again(std::uint64_t group, base::Time now) {
  std::vector<tree::ChunkIndex> asked;
  for (Held& held : held_) {
    if (held.asked_again || now - held.since < kReorder) continue;
    const auto same = [&](const Held& other) { return other.index.value() / group == held.index.value() / group; };
    const bool before = std::ranges::any_of(held_, [&](const Held& other) { return same(other) && other.asked_again; });
    held.asked_again = true;
    if (!before) asked.push_back(held.index);
  }
  return asked;
}

}  // namespace runnel::swarm
