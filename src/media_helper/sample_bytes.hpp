// Packets of a container as the samples of an MP4 track.
#pragma once
#include "base/bytes.hpp"
#include "media_helper/ffmpeg.hpp"

namespace runnel::media_helper {

// True if `parameters` alone do not make an MP4 header: AAC with ADTS headers in its packets and no configuration.
bool lacks_configuration(const AVCodecParameters& parameters);
// Gives AAC-LC its AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1) from rate and channels. False if MPEG-4 has no code for them.
bool add_aac_configuration(AVCodecParameters& parameters);

// Appends a packet's bytes as they belong into an MP4 sample: H.264 start codes become lengths, ADTS headers and AV1 temporal
// delimiters go. `parameters` are those of the container's stream. Gives the number of bytes appended, 0 if nothing is left.
std::size_t append_sample(const AVCodecParameters& parameters, base::ByteView packet, base::Bytes& out);

}  // namespace runnel::media_helper
