#include "media_helper/segment_plan.hpp"

#include <algorithm>
#include <cstdlib>

namespace runnel::media_helper {
namespace {

// The key to cut at next after `from_us`, searched from `at`: among those at a good distance the one nearest to the target,
// else the first beyond. keys.size() if there is none.
std::size_t next_cut(std::span<const Key> keys, std::size_t at, std::int64_t from_us) {
  std::size_t best = keys.size();
  for (std::size_t i = at; i < keys.size(); ++i) {
    const std::int64_t distance = keys[i].time_us - from_us;
    if (distance < kShortestSegmentUs) continue;
    if (distance > kLongestSegmentUs) return best == keys.size() ? i : best;
    const auto miss = [&](std::size_t k) { return std::abs(keys[k].time_us - from_us - kTargetSegmentUs); };
    if (best == keys.size() || miss(i) < miss(best)) best = i;
  }
  return best;
}

}  // namespace

std::vector<Key> plan_cuts(std::span<const Key> keys, std::int64_t duration_us) {
  std::vector<Key> cuts;
  if (keys.empty()) return cuts;
  cuts.push_back(keys.front());
  cuts.front().time_us = 0;
  std::size_t at = 1;
  while (cuts.size() < kMaxCuts && duration_us - cuts.back().time_us > kLongestSegmentUs) {
    at = next_cut(keys, at, cuts.back().time_us);
    if (at == keys.size() || keys[at].time_us + kShortestSegmentUs > duration_us) break;
    cuts.push_back(keys[at++]);
  }
  return cuts;
}

std::vector<Key> plan_equal_cuts(std::int64_t duration_us, std::int64_t length_us) {
  const std::int64_t length = std::max(length_us, duration_us / static_cast<std::int64_t>(kMaxCuts) + 1);
  std::vector<Key> cuts{Key{}};
  for (std::int64_t time = length; time + kShortestSegmentUs <= duration_us && cuts.size() < kMaxCuts; time += length) {
    cuts.push_back({.time_us = time, .id = time});
  }
  return cuts;
}

}  // namespace runnel::media_helper
