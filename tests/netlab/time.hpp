// Time as a parameter, in nanoseconds: a packet of 1,500 bytes takes 12 us at 1 Gb/s, so base's microseconds are too coarse.
// Only lab.cpp asks this clock for the time.
#pragma once
#include <chrono>
#include <cstdint>

namespace runnel::netlab {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using Duration = std::chrono::nanoseconds;

constexpr Duration from_ms(double ms) { return Duration{static_cast<std::int64_t>(ms * 1e6)}; }
constexpr double to_us(Duration d) { return static_cast<double>(d.count()) / 1e3; }
constexpr double to_ms(Duration d) { return static_cast<double>(d.count()) / 1e6; }

}  // namespace runnel::netlab
