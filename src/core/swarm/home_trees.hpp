// The trees in which a node gives the most: an inner node there, and mostly a leaf of the others (docs/live.md).
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/rng.hpp"
#include "core/swarm/neighbourhood.hpp"

namespace runnel::swarm {

class HomeTrees {
 public:
  // As many as so many slots ask for; those are kept that there are, and others are the ones that the fewest neighbours feed.
  void choose(double slots, const Neighbourhood& hood, base::Rng& rng);

  [[nodiscard]] bool contains(std::size_t tree) const { return std::ranges::find(trees_, tree) != trees_.end(); }
  [[nodiscard]] const std::vector<std::size_t>& all() const { return trees_; }

 private:
  std::vector<std::size_t> trees_;
};

}  // namespace runnel::swarm
