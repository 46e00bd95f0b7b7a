// A host's own clocks. No two hosts' clocks agree, so nothing in the protocol may compare them.
#pragma once
#include <cstdint>

#include "base/time.hpp"

namespace runnel::sim {

// The simulation's time starts at base::Time{}; the world's clock shows this then (14 November 2023).
constexpr base::WallTime kWorldStart{std::chrono::seconds{1'700'000'000}};
constexpr base::WallTime world_at(base::Time t) { return kWorldStart + t.time_since_epoch(); }

struct HostClock {
  base::Duration origin{std::chrono::seconds{1000}};   // what its monotonic clock showed when the simulation began
  std::int64_t drift_ppm = 0;                          // gained per second of the simulation, in microseconds
  base::Duration wall_error{};                         // how far its wall clock is ahead of the world's; jumps change it

  // The monotonic clock of the host when the simulation shows `t`.
  [[nodiscard]] constexpr base::Time local(base::Time t) const {
    const std::int64_t us = t.time_since_epoch().count();
    return base::Time{origin + base::Duration{us + us / 1'000'000 * drift_ppm + us % 1'000'000 * drift_ppm / 1'000'000}};
  }
  // The earliest simulation time at which the host's clock shows `local_time` or more.
  [[nodiscard]] constexpr base::Time global(base::Time local_time) const {
    const std::int64_t us = (local_time.time_since_epoch() - origin).count();
    base::Time t{base::Duration{us * 1'000'000 / (1'000'000 + drift_ppm)}};   // good for a hundred days
    while (local(t) < local_time) t += base::Duration{1};
    while (t.time_since_epoch().count() > 0 && local(t - base::Duration{1}) >= local_time) t -= base::Duration{1};
    return t;
  }
  [[nodiscard]] constexpr base::WallTime wall(base::Time t) const { return world_at(t) + wall_error; }
};

}  // namespace runnel::sim
