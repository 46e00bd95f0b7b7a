// The CMAF header of one track: ftyp + moov, as libavformat writes them.
#pragma once
#include <cstdint>
#include <expected>
#include <span>

#include "base/bytes.hpp"
#include "media_helper/demand_error.hpp"
#include "media_helper/ffmpeg.hpp"

namespace runnel::media_helper {

struct Header {
  base::Bytes bytes;
  std::int32_t timescale = 0;   // ticks per second of the track
};

// `timescale` is asked for; audio gets its sample rate. `display_matrix` (may be empty) turns the picture of a phone's film.
// Errors: encoder (the parameters do not make an MP4 track).
std::expected<Header, DemandError> write_header(const AVCodecParameters& parameters, std::int32_t timescale,
                                                std::span<const std::uint8_t> display_matrix);

}  // namespace runnel::media_helper
