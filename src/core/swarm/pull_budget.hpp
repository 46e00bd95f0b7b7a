// Beside push: how much may be asked for by pull at a time, of all neighbours together. Who is told BUSY and asks the next one at once
// keeps all of them busy with saying so; what it takes is for everybody to ask for less.
#pragma once
#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace runnel::swarm {

class PullBudget {
 public:
  static constexpr std::uint64_t kMost = 128;            // chunks: the record that a newcomer begins with, and as much again
  static constexpr std::uint64_t kMostBesidePush = 32;   // once push brings the rest: what it left must not make it late
  static constexpr std::uint64_t kLeast = 16;
  static constexpr base::Duration kLeastPause{20'000};
  static constexpr unsigned kMaxDoublings = 2;           // of the pause

  // How many chunks more, when so many were asked for and have not come.
  [[nodiscard]] std::uint64_t room(std::uint64_t outstanding, bool beside_push, base::Time now) const {
    const std::uint64_t most = beside_push ? std::min(window_, kMostBesidePush) : window_;
    return now < until_ ? 0 : most - std::min(most, outstanding);
  }
  void answered() {
    refusals_ = 0;
    if (++answers_ % kAnswersPerStep == 0) window_ = std::min(window_ + 1, kMost);
  }
  // Refusals within one pause are one: those who were asked together are busy together. `draw`: 0 to 1.
  void refused(double draw, base::Time now) {
    if (now < until_) return;
    window_ = std::max(window_ * 3 / 4, kLeast);
    const auto pause = static_cast<double>(kLeastPause.count()) * (1U << refusals_) * (0.5 + draw);
    until_ = now + base::Duration{static_cast<std::int64_t>(pause)};
    refusals_ = std::min(refusals_ + 1, kMaxDoublings);
  }

 private:
  static constexpr std::uint64_t kAnswersPerStep = 2;
  std::uint64_t window_ = kMost;
  std::uint64_t answers_ = 0;
  unsigned refusals_ = 0;   // since the last answer
  base::Time until_{};
};

}  // namespace runnel::swarm
