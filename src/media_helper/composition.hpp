// When pictures of a CMAF chunk are shown, against when they are decoded.
#pragma once
#include <cstdint>

#include "base/bytes.hpp"

namespace runnel::media_helper {

// The least composition time offset of this track in the chunk, in the track's own units, if any is negative; else 0 (ISO/IEC 14496-12
// 8.8.8). FFmpeg's demuxer adds its amount to the presentation times of all samples of the file, here of a chunk: so chunks with
// and without pictures that are shown before their decoding time would not fit together. The bytes may be anything.
[[nodiscard]] std::int64_t least_composition_offset(base::ByteView chunk, std::uint32_t track);

}  // namespace runnel::media_helper
