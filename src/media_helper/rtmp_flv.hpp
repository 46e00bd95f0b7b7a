// Wraps RTMP's audio, video and data messages as an FLV file without end (Adobe FLV 10.1, annex E). Pure.
#pragma once
#include <cstdint>

#include "base/bytes.hpp"
#include "media_helper/rtmp_chunk.hpp"

namespace runnel::media_helper {

// Which streams will come, as far as onMetaData told. The demuxer waits for those that the header promises.
struct FlvStreams {
  bool audio = true;
  bool video = true;
};

void write_flv_header(FlvStreams streams, base::Bytes& out);
// `message` is audio, video or script data (kRtmpAudio, kRtmpVideo, kRtmpDataAmf0: FLV's tag types are RTMP's message types);
// at most 2^24 - 1 bytes.
void write_flv_tag(const RtmpMessage& message, base::Bytes& out);

// Whether an audio or video message uses a codec that FFmpeg 5.1's FLV demuxer has no name for: Enhanced RTMP (FourCC codecs), or HEVC
// under the number that some Asian encoders gave it.
[[nodiscard]] bool is_unknown_to_demuxer(const RtmpMessage& message);

}  // namespace runnel::media_helper
