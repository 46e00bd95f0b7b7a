#include "core/swarm/lag_meter.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "core/swarm/metadata.hpp"

namespace runnel::swarm {

void LagMeter::arrived(std::size_t tree, base::Duration age) {
  TreeLag& lag = trees_[tree];
  const base::Duration sample = std::min<base::Duration>(age, std::chrono::seconds{5});
  if (!lag.known) {
    lag.known = true;
    lag.mean = sample;
    return;
  }
  const base::Duration error = sample - lag.mean;
  lag.mean += error / 8;
  // Records that start a group come late by their size, once a second or two: that must not be forgotten in between.
  const base::Duration wide = base::Duration{std::abs(error.count())} - lag.deviation;
  lag.deviation += wide / (wide.count() > 0 ? 4 : 64);
}

// Deviations are forgotten slowly: after a moment of disorder they would have everything wait that was lost in it and later. Twice the
// mean is late whatever they say; where all is late, what is on its way must not be asked for.
base::Duration LagMeter::latest(std::size_t tree) const {
  constexpr base::Duration kLatest{500'000};
  return std::max(2 * trees_[tree].mean + 2 * kGrace, kLatest);
}

base::Duration LagMeter::limit(std::size_t tree, int deviations) const {
  const TreeLag& lag = trees_[tree];
  return lag.known ? std::min(lag.mean + deviations * lag.deviation + kGrace, latest(tree)) : kUnknown;
}

void StreamRate::munro(std::uint64_t number, unsigned used, base::Time now) {
  if (number <= newest_) return;
  newest_ = number;
  entries_.push_back({now, used});
  chunks_ += used;
  while (entries_.back().at - entries_.front().at > kSpan || entries_.size() > kMaxMunros) {
    chunks_ -= entries_.front().used;
    entries_.pop_front();
  }
  const base::Duration span = entries_.back().at - entries_.front().at;
  constexpr base::Duration kKnown = std::chrono::seconds{1};
  if (span < kKnown) return;
  rate_ = static_cast<double>((chunks_ - entries_.back().used) * chunk_bytes_) * 1e6 / static_cast<double>(span.count());
}

void StreamRate::hearsay(const MunroMap& map) {
  constexpr std::uint64_t kEnough = kLiveIndicesPerSecond;   // indices: a second
  if (rate_ > 0 || map.entries.empty() || std::ranges::any_of(map.entries, &MunroMap::Entry::whole)) return;
  const std::uint64_t span = (map.entries.back().munro - map.entries.front().munro) * kPushMunroWidth;
  if (span < kEnough) return;
  std::uint64_t chunks = 0;
  for (const MunroMap::Entry& entry : map.entries) chunks += static_cast<unsigned>(std::popcount(entry.chunks));
  rate_ = static_cast<double>(chunks * chunk_bytes_) * static_cast<double>(kLiveIndicesPerSecond) / static_cast<double>(span);
}

base::Duration StreamRate::spacing() const {
  if (rate_ <= 0) return base::Duration{100'000};
  return base::Duration{static_cast<std::int64_t>(kSubstreams * chunk_bytes_ * 1e6 / rate_)};
}

}  // namespace runnel::swarm
