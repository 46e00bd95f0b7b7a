// RFC 6381 names of codecs, as playlists and MediaSource want them, and the facts about H.264 that they are read from.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "media/session_types.hpp"
#include "media_helper/ffmpeg.hpp"

namespace runnel::media_helper {

// "avc1.64001f", "mp4a.40.2", "opus", "vp09.00.31.08", "av01.0.05M.08"; empty where browsers have no name for the codec.
// `frame_rate` in frames per second, 0 if unknown (only VP9's level depends on it).
std::string codec_string(const AVCodecParameters& parameters, double frame_rate);

// Codec, size, rate, language and title of a stream as it will be served; `number` and `transcoded` are the caller's to set.
media::TrackInfo describe_track(const AVCodecParameters& parameters, double frame_rate, const AVDictionary* metadata);

// The NAL units in H.264 data, without start codes or lengths. `length_bytes`: 0 for start codes (Annex B), else the size of the
// length field (avcC). What does not parse is left out. Views into `data`.
std::vector<base::ByteView> h264_nals(base::ByteView data, unsigned length_bytes);
// The length field's size that avcC extradata announces, 0 if the extradata is not avcC.
unsigned h264_length_bytes(base::ByteView extradata);
enum class H264Nal : std::uint8_t { slice = 1, idr = 5, sei = 6, sps = 7, pps = 8 };  // ITU-T H.264 table 7-1
std::uint8_t h264_nal_type(base::ByteView nal);

inline base::ByteView view(const std::uint8_t* data, int size) {
  if (data == nullptr || size <= 0) return {};
  return std::as_bytes(std::span{data, static_cast<std::size_t>(size)});
}
inline base::ByteView view(const AVPacket& packet) { return view(packet.data, packet.size); }
inline base::ByteView extradata(const AVCodecParameters& parameters) { return view(parameters.extradata, parameters.extradata_size); }

}  // namespace runnel::media_helper
