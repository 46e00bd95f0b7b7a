#include "core/swarm/home_trees.hpp"

#include <cmath>
#include <optional>

namespace runnel::swarm {
namespace {

constexpr double kSlotsPerHome = 12;   // live-model.md

}  // namespace

void HomeTrees::choose(double slots, const Neighbourhood& hood, base::Rng& rng) {
  const auto count =
      std::min<std::size_t>(kSubstreams, std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(slots / kSlotsPerHome))));
  if (trees_.size() > count) trees_.resize(count);
  while (trees_.size() < count) {
    std::optional<std::size_t> best;
    std::size_t best_offers = 0;
    const std::size_t start = rng.below(kSubstreams);
    for (std::size_t i = 0; i < kSubstreams; ++i) {
      const std::size_t tree = (start + i) % kSubstreams;
      if (contains(tree)) continue;
      const auto offers = static_cast<std::size_t>(std::ranges::count_if(hood.all(), [&](const auto& entry) {
        return entry.second.advert && entry.second.advert->weakest_rank[tree] != Advert::kNoChildren;
      }));
      if (best && offers >= best_offers) continue;
      best = tree;
      best_offers = offers;
    }
    trees_.push_back(*best);
  }
}

}  // namespace runnel::swarm
