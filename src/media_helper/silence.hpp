// Frames of silence for audio that is passed through: players stall where a track has nothing.
#pragma once
#include <optional>

#include "base/bytes.hpp"
#include "media_helper/ffmpeg.hpp"

namespace runnel::media_helper {

struct SilentFrame {
  base::Bytes bytes;
  std::int64_t ticks = 0;   // at the track's sample rate
};

// nullopt for codecs and layouts that none is made for: FLAC, HE-AAC, Opus with more than two channels. `parameters`: as served.
std::optional<SilentFrame> make_silent_frame(const AVCodecParameters& parameters);

}  // namespace runnel::media_helper
