// What was pushed a moment ago: a NACK for it has crossed it on the way.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>

#include "base/time.hpp"
#include "core/swarm/push_trees.hpp"

namespace runnel::swarm {

class SentLately {
 public:
  static constexpr std::size_t kMaxKept = 256;   // a tenth of a second at 25 Mb/s

  void add(PeerKey to, tree::ChunkIndex index, base::Time now) { kept_[next_++ % kMaxKept] = {to, index, now}; }
  [[nodiscard]] bool contains(PeerKey to, tree::ChunkIndex index, base::Time since) const {
    return std::ranges::any_of(kept_, [&](const Entry& e) { return e.index == index && e.to == to && e.at >= since; });
  }

 private:
  struct Entry {
    PeerKey to;
    tree::ChunkIndex index;
    base::Time at;
  };
  std::array<Entry, kMaxKept> kept_{};
  std::size_t next_ = 0;
};

}  // namespace runnel::swarm
