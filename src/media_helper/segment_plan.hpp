// Where a film is cut into segments: at key frames, about four seconds apart, alike for all tracks.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace runnel::media_helper {

// A place where decoding can begin.
struct Key {
  std::int64_t time_us = 0;     // film time, from 0
  std::int64_t id = 0;          // how the key frame is known again, in the units of its source (see DemandFilm)
  std::int64_t position = -1;   // bytes from the start of the file; -1 if unknown
};

constexpr std::int64_t kTargetSegmentUs = 4'000'000;
constexpr std::int64_t kShortestSegmentUs = 2'000'000;
constexpr std::int64_t kLongestSegmentUs = 6'000'000;    // kept where the key frames allow it
constexpr std::size_t kMaxCuts = 1U << 18;               // the limit of the messages to the node (helper::kMaxSegments)

// `keys` in order of time. The first cut is at 0 whatever the first key's time; what is left at the end is one segment, up to
// kLongestSegmentUs. Beyond kMaxCuts the last segment takes the rest.
std::vector<Key> plan_cuts(std::span<const Key> keys, std::int64_t duration_us);

// Segments of equal length where no key frames are known. `length_us` > 0 grows where there would be more than kMaxCuts.
std::vector<Key> plan_equal_cuts(std::int64_t duration_us, std::int64_t length_us);

}  // namespace runnel::media_helper
