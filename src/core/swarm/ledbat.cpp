#include "core/swarm/ledbat.hpp"

#include <algorithm>
#include <cstdlib>

namespace runnel::swarm {

void Ledbat::update_base(std::int64_t delay, base::Time now) {
  constexpr base::Duration kMinute = std::chrono::minutes{1};
  if (bases_ == 0 || now - base_started_ >= kMinute) {
    if (bases_ == kBaseMinutes)
      std::rotate(base_.begin(), base_.begin() + 1, base_.end());
    else
      ++bases_;
    base_[bases_ - 1] = delay;
    base_started_ = now;
  }
  base_[bases_ - 1] = std::min(base_[bases_ - 1], delay);
}

void Ledbat::on_ack(std::uint64_t bytes, std::uint64_t delay_us, base::Duration rtt, bool limited, base::Time now) {
  if (!has_sample_) {
    first_delay_ = delay_us;
    has_sample_ = true;
    srtt_ = rtt;
    rttvar_ = rtt / 2;
  }
  late_ = {};
  const auto error = rtt - srtt_;
  srtt_ += error / 8;
  rttvar_ += (base::Duration{std::abs(error.count())} - rttvar_) / 4;

  // What a peer reports may lie anywhere; differences must not overflow.
  constexpr std::int64_t kFarthest = std::int64_t{1} << 61;
  const std::int64_t delay = std::clamp(static_cast<std::int64_t>(delay_us - first_delay_), -kFarthest, kFarthest);
  update_base(delay, now);
  current_[samples_++ % kCurrentSamples] = delay;
  const std::int64_t current =
      *std::min_element(current_.begin(), current_.begin() + static_cast<std::ptrdiff_t>(std::min(samples_, kCurrentSamples)));
  const std::int64_t base = *std::min_element(base_.begin(), base_.begin() + static_cast<std::ptrdiff_t>(bases_));
  queue_delay_ = base::Duration{std::max<std::int64_t>(0, current - base)};

  // Start-up doubles per round trip until a queue shows at half the target, or a loss.
  if (slow_start_ && queue_delay_ < kTarget / 2) {
    if (limited) window_ = std::min(kMaxWindow, window_ + bytes);
    return;
  }
  slow_start_ = false;
  // Per round trip: up by at most a packet, down by the share that the delay is past the target. The decrease in proportion to
  // the window (LEDBAT++, draft-irtf-iccrg-ledbat-plus-plus 4.2) lets flows that meet in one queue come to equal shares.
  const double past_target = static_cast<double>(queue_delay_.count()) / static_cast<double>(kTarget.count()) - 1;
  if (past_target < 0 && !limited) return;
  const double window = static_cast<double>(window_);
  const double step = past_target < 0 ? -past_target * packet_ : std::max(-window / 2, -window * past_target);
  const double next = window + step * static_cast<double>(bytes) / window;
  window_ = std::clamp(static_cast<std::uint64_t>(std::max(next, 0.0)), std::uint64_t{least_} * packet_, kMaxWindow);
}

void Ledbat::on_late_ack(base::Duration rtt) { late_ = std::max(late_, std::min(rtt, kLatest)); }

void Ledbat::on_loss(base::Time now) {
  if (had_loss_ && now - last_loss_ < srtt_) return;
  had_loss_ = true;
  last_loss_ = now;
  slow_start_ = false;
  window_ = std::max<std::uint64_t>(window_ / 2, std::uint64_t{least_} * packet_);
}

void Ledbat::on_timeout() {
  slow_start_ = true;
  window_ = std::uint64_t{least_} * packet_;
}

base::Duration Ledbat::timeout() const {
  constexpr base::Duration kFloor{300'000};
  constexpr base::Duration kInitial{1'000'000};   // RFC 6298 2.1
  const base::Duration usual = has_sample_ ? std::max(kFloor, srtt_ + 4 * rttvar_) : kInitial;
  return std::max(usual, late_ + late_ / 4);
}

}  // namespace runnel::swarm
