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
  // How late the last packet was.
  [[nodiscard]] base::Duration behind() const { return behind_; }
  void restart() { anchor_.reset(); }  // a new epoch: times begin anew

  static constexpr std::chrono::seconds kGiveUp{10};  // later than this, lost time is not made up for

 private:
  using Clock = std::chrono::steady_clock;
  base::Duration lead_;
  base::Duration behind_{};
  std::optional<Clock::time_point> anchor_;  // when decode time zero was due
};

}  // namespace runnel::media_helper
