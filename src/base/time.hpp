// Time as a parameter. Nothing in base or core reads a clock: `now` comes from net or the simulator.
#pragma once
#include <chrono>
#include <cstdint>

namespace runnel::base {

// Microseconds: what PPSPP timestamps carry (RFC 7574 8.6).
using Duration = std::chrono::microseconds;

// A clock that never goes back; its zero means nothing. It has no now() on purpose.
struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock, Duration>;
  static constexpr bool is_steady = true;
};
using Time = MonotonicClock::time_point;

// Unix time; it may jump. Used only where media and signatures need the world's clock.
struct UnixClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<UnixClock, Duration>;
  static constexpr bool is_steady = false;
};
using WallTime = UnixClock::time_point;

// 64-bit NTP timestamp: seconds since 1900 in the upper half, fraction in the lower (RFC 5905 6).
constexpr std::uint64_t kNtpUnixOffsetSeconds = 2'208'988'800;
constexpr std::uint64_t to_ntp(WallTime t) {
  const auto us = static_cast<std::uint64_t>(t.time_since_epoch().count());
  return ((us / 1'000'000 + kNtpUnixOffsetSeconds) << 32) | (((us % 1'000'000) << 32) / 1'000'000);
}
constexpr WallTime from_ntp(std::uint64_t ntp) {
  const std::uint64_t seconds = (ntp >> 32) - kNtpUnixOffsetSeconds;
  const std::uint64_t us = ((ntp & 0xffff'ffffU) * 1'000'000) >> 32;
  return WallTime{Duration{static_cast<Duration::rep>(seconds * 1'000'000 + us)}};
}

}  // namespace runnel::base
