#include "media_helper/pacer.hpp"

#include <thread>

namespace runnel::media_helper {

void Pacer::wait(base::Duration dts) { std::this_thread::sleep_until(due(dts, Clock::now())); }

Pacer::Clock::time_point Pacer::due(base::Duration dts, Clock::time_point now) {
  if (!anchor_) anchor_ = now - dts;
  behind_ = std::chrono::duration_cast<base::Duration>(now - (*anchor_ + dts));
  if (behind_ > kGiveUp) {
    anchor_ = now - dts;
    behind_ = {};
  }
  return *anchor_ + dts - lead_;
}

}  // namespace runnel::media_helper
