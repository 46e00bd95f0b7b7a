// A rate limit in bytes per second, with a burst of a tenth of a second. What was used up fills for a moment before more may go: each go
// wakes somebody at the other end, whatever its size.
#pragma once
#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace runnel::swarm {

class TokenBucket {
 public:
  // 0: no limit.
  void set_rate(std::uint64_t bytes_per_second) {
    rate_ = bytes_per_second;
    tokens_ = 0;
    open_ = false;
  }
  [[nodiscard]] bool limited() const { return rate_ != 0; }
  [[nodiscard]] std::uint64_t rate() const { return rate_; }
  [[nodiscard]] bool allows(base::Time now) {
    if (rate_ == 0) return true;
    const auto passed = std::min<std::int64_t>((now - filled_).count(), 1'000'000);
    filled_ = now;
    tokens_ = std::min(tokens_ + static_cast<double>(passed) * static_cast<double>(rate_) / 1e6, static_cast<double>(rate_) / 10 + 3000);
    constexpr double kGoesPerSecond = 200;
    open_ = tokens_ > (open_ ? 0 : static_cast<double>(rate_) / kGoesPerSecond);
    return open_;
  }
  // May go below zero: the next ones wait.
  void take(std::uint64_t bytes) {
    if (rate_ != 0) tokens_ -= static_cast<double>(bytes);
  }

 private:
  std::uint64_t rate_ = 0;
  double tokens_ = 0;
  bool open_ = false;
  base::Time filled_{};
};

}  // namespace runnel::swarm
