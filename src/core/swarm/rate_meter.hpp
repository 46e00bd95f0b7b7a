// Bytes per second over the last two seconds.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "base/time.hpp"

namespace runnel::swarm {

class RateMeter {
 public:
  void add(std::uint64_t bytes, base::Time now) {
    roll(now);
    std::uint32_t& bucket = buckets_[static_cast<std::size_t>(slot_) % kBuckets];
    bucket = static_cast<std::uint32_t>(std::min<std::uint64_t>(bucket + bytes, std::numeric_limits<std::uint32_t>::max()));
    total_ += bytes;
  }
  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] std::uint64_t per_second(base::Time now) const {
    RateMeter copy = *this;
    copy.roll(now);
    std::uint64_t sum = 0;
    for (const std::uint32_t bucket : copy.buckets_) sum += bucket;
    return sum * 1'000'000 / static_cast<std::uint64_t>(kBucket.count() * static_cast<std::int64_t>(kBuckets));
  }

 private:
  static constexpr std::size_t kBuckets = 8;
  static constexpr base::Duration kBucket{250'000};

  void roll(base::Time now) {
    const std::int64_t slot = now.time_since_epoch() / kBucket;
    for (std::size_t cleared = 0; slot_ < slot && cleared < kBuckets; ++cleared) buckets_[static_cast<std::size_t>(++slot_) % kBuckets] = 0;
    if (slot > slot_) slot_ = slot;
  }

  std::array<std::uint32_t, kBuckets> buckets_{};   // bytes in each; 16 GB/s are beyond them
  std::int64_t slot_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace runnel::swarm
