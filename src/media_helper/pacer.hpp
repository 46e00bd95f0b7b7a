// Lets media through no faster than it plays: a file becomes a live stream.
#pragma once
#include <chrono>
#include <optional>

#include "base/time.hpp"

namespace runnel::media_helper {

// One owner. Blocks its thread.
class Pacer {
 public:
  // How far ahead of its time media may come: none for a file; some for sources that keep their own time and only jitter.
  explicit Pacer(base::Duration lead) : lead_(lead) {}
  // Waits until media of this decode time is due. The first call of an epoch sets the clock, a late source moves it.
  void wait(base::Duration dts);
  using Clock = std::chrono::steady_clock;
  // When that would be, if it came now; perhaps long ago.
  Clock::time_point due(base::Duration dts, Clock::time_point now);
  // How late the last packet was.
  [[nodiscard]] base::Duration behind() const { return behind_; }
  void restart() { anchor_.reset(); }  // a new epoch: times begin anew

  static constexpr std::chrono::seconds kGiveUp{10};  // later than this, lost time is not made up for
  // Leads. What is pulled comes in bursts, segment by segment, and is spread out again.
  static constexpr base::Duration kPull = std::chrono::seconds{1};
  // A publisher keeps its own time; but its first packets set the clock, and they are late by what an encoder takes to begin (1.4 s on a
  // busy machine). All that comes after them must not be held back for it. Only who sends a file as fast as it goes needs a limit.
  static constexpr base::Duration kPublish = std::chrono::seconds{5};

 private:
  base::Duration lead_;
  base::Duration behind_{};
  std::optional<Clock::time_point> anchor_;  // when decode time zero was due
};

}  // namespace runnel::media_helper
