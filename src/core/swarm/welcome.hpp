// What newcomers begin with: until a record is whole they play nothing, so a share of the line is theirs, ahead of all but bundles. Without
// it the last chunks of that record waited for seconds where lines were full.
#pragma once
#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace runnel::swarm {

// Counts the share in chunks. Pure. One owner.
class Welcome {
 public:
  static constexpr base::Duration kLasts = std::chrono::seconds{2};  // since we met
  static constexpr unsigned kChunks = 24;  // of one newcomer
  static constexpr double kShare = 0.1;  // of the line
  static constexpr double kMost = 48;  // chunks at once
  static constexpr base::Duration kLongest{250'000};  // what would wait longer is refused: others may be sooner

  // Whether a chunk of theirs may go ahead now. `pace`: chunks per second of the whole line.
  [[nodiscard]] bool turn(double pace, base::Time now) {
    gain(pace, now);
    return chunks_ >= 1;
  }
  void took() { --chunks_; }
  // How long one more would wait behind so many.
  [[nodiscard]] base::Duration wait(std::uint64_t waiting, double pace, base::Time now) {
    gain(pace, now);
    const double missing = std::max(0.0, static_cast<double>(waiting + 1) - chunks_);
    return base::Duration{static_cast<std::int64_t>(missing * 1e6 / (kShare * pace))};
  }

 private:
  void gain(double pace, base::Time now) {
    const double passed = static_cast<double>((now - at_).count()) / 1e6;
    at_ = now;
    chunks_ = std::min(kMost, chunks_ + passed * kShare * pace);
  }

  double chunks_ = kMost;
  base::Time at_;
};

}  // namespace runnel::swarm
