// Holes that live players have passed, beside push: only who seeks back will want them, so they are filled one chunk at a time, and seldom
// by the source, whose line is everybody's.
#pragma once
#include "base/time.hpp"

namespace runnel::swarm {

// Pure. One owner.
class OldHoles {
 public:
  static constexpr base::Duration kEach{40'000};         // a look at all neighbours
  static constexpr base::Duration kSpared{400'000};      // instead, while only the source has time
  static constexpr base::Duration kSourceEach = std::chrono::seconds{10};   // a thousand viewers then ask it for a third of a stream

  // Whether it is time to look for one.
  [[nodiscard]] bool due(base::Time now) {
    if (now < next_) return false;
    next_ = now + kEach;
    return true;
  }
  // The source would be asked. `alone`: nobody else shows the chunk. Others who do may have no time for long, or never: it has a turn too.
  [[nodiscard]] bool may_ask_source(bool alone, base::Time now) {
    if (!alone && now < next_of_source_) {
      next_ = now + kSpared;
      return false;
    }
    next_of_source_ = now + kSourceEach;
    return true;
  }

 private:
  base::Time next_{};
  base::Time next_of_source_{};
};

}  // namespace runnel::swarm
