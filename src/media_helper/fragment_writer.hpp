// One CMAF fragment, moof + mdat, of one track (ISO/IEC 14496-12 8.8, ISO/IEC 23000-19).
#pragma once
#include <cstdint>
#include <vector>

#include "base/bytes.hpp"

namespace runnel::media_helper {

struct Sample {
  std::int64_t pts = 0;        // presentation time in the track's timescale
  std::int64_t duration = 0;   // decode time to the next sample
  std::uint32_t size = 0;      // bytes
  bool key = false;
};

// Samples in decode order, with their bytes joined.
struct Samples {
  std::vector<Sample> list;
  base::Bytes bytes;
};

// Decode times follow presentation times: sample i of a fragment is decoded when the i-th of its frames is shown. So a fragment's
// decode time is its first presentation time, fragments of a film join whatever their neighbours are, and no container's own
// decode times (Matroska has none) are needed. Composition offsets are signed, as CMAF allows.
// Sets each duration; the last one becomes `end` - its decode time, if that is positive, else the one before it (or 1).
// Gives the decode time of the first sample. `samples` is not empty.
std::int64_t lay_out(std::vector<Sample>& samples, std::int64_t end);

struct Fragment {
  std::uint32_t sequence = 1;      // mfhd
  std::int64_t decode_time = 0;    // tfdt, at least 0
};
// Track 1. The samples' durations were laid out; their sizes add up to the bytes.
base::Bytes write_fragment(const Fragment& fragment, const Samples& samples);

}  // namespace runnel::media_helper
