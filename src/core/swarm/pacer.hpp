// Keeps what we send within what the line carries.
#pragma once
#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace runnel::swarm {

// Counts bytes that were let go and have not left yet, not the time that they take: that changes with what is thought of the line. Paces
// are in bytes per second, and greater than 0.
class Pacer {
 public:
  // What nobody keeps back (control) holds up the rest no longer than this, however much it was.
  static constexpr base::Duration kMostPast{250'000};
  // Whoever runs us may wake late: so much of the line's time that was missed is made up for, by that much more in the line at a time.
  static constexpr base::Duration kMostLate{6'000};

  explicit Pacer(base::Time now) : at_(now), not_before_(now) {}

  void charge(std::uint64_t bytes, double pace, base::Time now) {
    settle(pace, now);
    owed_ += static_cast<double>(bytes);
  }
  // These went past us.
  void charge_past(std::uint64_t bytes, double pace, base::Time now) {
    settle(pace, now);
    owed_ = std::max(owed_, std::min(owed_ + static_cast<double>(bytes), pace * seconds(kMostPast)));
  }
  // Whether more would go if it might: until that changes, time that goes by unused is missed.
  void more_waits(bool more, double pace, base::Time now) {
    if (more == more_waits_) return;
    settle(pace, now);
    more_waits_ = more;
  }
  void wait_until(base::Time when) { not_before_ = std::max(not_before_, when); }
  // When all that was let go will have left.
  [[nodiscard]] base::Time free_at(double pace) const {
    return std::max(not_before_, at_ + base::Duration{static_cast<std::int64_t>(owed_ / pace * 1e6)});
  }

 private:
  static constexpr double seconds(base::Duration d) { return static_cast<double>(d.count()) / 1e6; }
  void settle(double pace, base::Time now) {
    if (at_ < not_before_) pass(pace, std::min(now, not_before_), 0);   // what the user's limit kept back was not missed
    pass(pace, now, more_waits_ ? -pace * seconds(kMostLate) : 0);
  }
  void pass(double pace, base::Time now, double least) {
    owed_ = std::max(least, owed_ - pace * seconds(now - at_));
    at_ = now;
  }

  double owed_ = 0;   // below 0: so much was missed
  bool more_waits_ = false;
  base::Time at_;
  base::Time not_before_;   // the user's limit is used up until then
};

}  // namespace runnel::swarm
