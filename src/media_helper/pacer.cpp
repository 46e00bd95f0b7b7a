#include "media_helper/pacer.hpp"

#include <thread>

namespace runnel::media_helper {

void Pacer::wait(base::Duration dts) {
  const auto now = Clock::now();
  if (!anchor_) anchor_ = now - dts;
  behind_ = std::chrono::duration_cast<base::Duration>(now - (*anchor_ + dts));
  if (behind_ > kGiveUp) {
    anchor_ = now - dts;
    behind_ = {};
  }
  if (behind_ < -lead_) std::this_thread::sleep_until(*anchor_ + dts - lead_);
}

}  // namespace runnel::media_helper
