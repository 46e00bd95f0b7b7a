// How late things come, as a table of counts.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

namespace runnel::swarm {

// Each bucket is a twentieth wider than the one before: from 5 ms, below which all is one, to 20 s, beyond which all is one again.
class DelayHistogram {
 public:
  static constexpr std::size_t kBuckets = 172;

  void add(base::Duration delay) {
    ++counts_[bucket_of(delay)];
    ++total_;
  }
  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] std::uint64_t count(std::size_t bucket) const { return counts_[bucket]; }
  // What is counted in a bucket came no later than this; in the last, whenever.
  [[nodiscard]] static base::Duration upper(std::size_t bucket) {
    return base::Duration{static_cast<std::int64_t>(kFirst * std::pow(kRatio, static_cast<double>(bucket)))};
  }
  // The delay that a share of all did not exceed, to a twentieth; 0 when there is none. `q`: 0 to 1.
  [[nodiscard]] base::Duration quantile(double q) const {
    const auto wanted = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(total_)));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      seen += counts_[bucket];
      if (seen > 0 && seen >= wanted) return upper(bucket);
    }
    return {};
  }

 private:
  static constexpr double kFirst = 5'000;   // us
  static constexpr double kRatio = 1.05;
  [[nodiscard]] static std::size_t bucket_of(base::Duration delay) {
    if (static_cast<double>(delay.count()) <= kFirst) return 0;
    const double steps = std::ceil(std::log(static_cast<double>(delay.count()) / kFirst) / std::log(kRatio));
    return static_cast<std::size_t>(std::min(steps, static_cast<double>(kBuckets - 1)));
  }

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t total_ = 0;
};

}  // namespace runnel::swarm
