#include "media_helper/codec_string.hpp"

extern "C" {
#include <libavutil/pixdesc.h>
}

#include <array>
#include <cstdio>

namespace runnel::media_helper {
namespace {

template <class... Args>
std::string print(const char* format, Args... args) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, args...);
  return text.data();
}

unsigned octet(base::ByteView bytes, std::size_t at) { return std::to_integer<unsigned>(bytes[at]); }

// ISO/IEC 14496-15 5.3.3.1: profile, constraints and level, bytes 1 to 3 of avcC and of a sequence parameter set.
std::string avc(base::ByteView extradata) {
  base::ByteView from;
  if (h264_length_bytes(extradata) != 0) from = extradata;
  for (const base::ByteView nal : from.empty() ? h264_nals(extradata, 0) : std::vector<base::ByteView>{}) {
    if (h264_nal_type(nal) == static_cast<std::uint8_t>(H264Nal::sps)) from = nal;
  }
  if (from.size() < 4) return {};
  return print("avc1.%02x%02x%02x", octet(from, 1), octet(from, 2), octet(from, 3));
}

// The audio object type: ISO/IEC 14496-3 1.6.2.1. Without a configuration: AAC-LC.
std::string aac(base::ByteView config) {
  unsigned type = 2;
  if (config.size() >= 2) {
    type = octet(config, 0) >> 3U;
    if (type == 31) type = 32 + ((octet(config, 0) & 7U) << 3U | octet(config, 1) >> 5U);
  }
  return print("mp4a.40.%u", type);
}

// "AV1 Codec ISO Media File Format Binding" 2.3 and 5: av1C and its codecs parameter.
std::string av1(base::ByteView config) {
  if (config.size() < 4 || octet(config, 0) != 0x81) return {};
  const unsigned profile = octet(config, 1) >> 5U;
  const unsigned level = octet(config, 1) & 0x1fU;
  const bool high_tier = (octet(config, 2) & 0x80U) != 0;
  const bool high_depth = (octet(config, 2) & 0x40U) != 0;
  const bool twelve = (octet(config, 2) & 0x20U) != 0;
  return print("av01.%u.%02u%c.%02u", profile, level, high_tier ? 'H' : 'M', high_depth ? (twelve ? 12U : 10U) : 8U);
}

// "VP Codec ISO Media File Format Binding": the level is the least whose luma sample rate and picture size hold the stream.
std::string vp9(const AVCodecParameters& parameters, double frame_rate) {
  struct Level {
    unsigned name;
    double sample_rate;
    double picture_size;
  };
  constexpr std::array kLevels{
      Level{10, 829'440, 36'864},          Level{11, 2'764'800, 73'728},        Level{20, 4'608'000, 122'880},
      Level{21, 9'216'000, 245'760},       Level{30, 20'736'000, 552'960},      Level{31, 36'864'000, 983'040},
      Level{40, 83'558'400, 2'228'224},    Level{41, 160'432'128, 2'228'224},   Level{50, 311'951'360, 8'912'896},
      Level{51, 588'251'136, 8'912'896},   Level{52, 1'176'502'272, 8'912'896}, Level{60, 1'176'502'272, 35'651'584},
      Level{61, 2'353'004'544, 35'651'584}};
  const double size = static_cast<double>(parameters.width) * parameters.height;
  const double rate = size * (frame_rate > 0 ? frame_rate : 30);
  unsigned level = 62;
  for (const Level& l : kLevels) {
    if (rate > l.sample_rate || size > l.picture_size) continue;
    level = l.name;
    break;
  }
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(parameters.format));
  const int depth = format != nullptr ? format->comp[0].depth : 8;
  return print("vp09.%02d.%02u.%02d", std::max(parameters.profile, 0), level, depth);
}

std::string tag(const AVDictionary* metadata, const char* key) {
  const AVDictionaryEntry* entry = av_dict_get(metadata, key, nullptr, 0);
  return entry != nullptr ? entry->value : "";
}

media::TrackKind kind_of(AVMediaType type) {
  if (type == AVMEDIA_TYPE_AUDIO) return media::TrackKind::audio;
  return type == AVMEDIA_TYPE_SUBTITLE ? media::TrackKind::subtitle : media::TrackKind::video;
}

}  // namespace

unsigned h264_length_bytes(base::ByteView extradata) {
  if (extradata.size() < 7 || octet(extradata, 0) != 1) return 0;
  return (octet(extradata, 4) & 3U) + 1;
}

std::uint8_t h264_nal_type(base::ByteView nal) { return nal.empty() ? 0 : static_cast<std::uint8_t>(octet(nal, 0) & 0x1fU); }

std::vector<base::ByteView> h264_nals(base::ByteView data, unsigned length_bytes) {
  std::vector<base::ByteView> nals;
  if (length_bytes > 0) {
    while (data.size() > length_bytes) {
      std::size_t size = 0;
      for (unsigned i = 0; i < length_bytes; ++i) size = size << 8U | octet(data, i);
      data = data.subspan(length_bytes);
      if (size > data.size()) break;
      nals.push_back(data.first(size));
      data = data.subspan(size);
    }
    return nals;
  }
  std::optional<std::size_t> start;
  for (std::size_t i = 0; i + 3 <= data.size(); ++i) {
    if (octet(data, i) != 0 || octet(data, i + 1) != 0 || octet(data, i + 2) != 1) continue;
    if (start) nals.push_back(data.subspan(*start, i - *start));
    start = i + 3;
    i += 2;
  }
  if (start) nals.push_back(data.subspan(*start));
  for (base::ByteView& nal : nals) {  // zeros before the next start code belong to nobody
    while (!nal.empty() && nal.back() == std::byte{0}) nal = nal.first(nal.size() - 1);
  }
  return nals;
}

std::string codec_string(const AVCodecParameters& parameters, double frame_rate) {
  switch (parameters.codec_id) {  // a third party's enum of hundreds
    case AV_CODEC_ID_H264: return avc(extradata(parameters));
    case AV_CODEC_ID_AAC: return aac(extradata(parameters));
    case AV_CODEC_ID_MP3: return "mp4a.6b";
    case AV_CODEC_ID_OPUS: return "opus";
    case AV_CODEC_ID_FLAC: return "flac";
    case AV_CODEC_ID_AV1: return av1(extradata(parameters));
    case AV_CODEC_ID_VP9: return vp9(parameters, frame_rate);
    default: return {};
  }
}

media::TrackInfo describe_track(const AVCodecParameters& parameters, double frame_rate, const AVDictionary* metadata) {
  media::TrackInfo track;
  track.kind = kind_of(parameters.codec_type);
  track.codec = avcodec_get_name(parameters.codec_id);
  track.codecs = codec_string(parameters, frame_rate);
  track.language = tag(metadata, "language");
  if (track.language == "und") track.language.clear();
  track.title = tag(metadata, "title");
  track.width = static_cast<std::uint32_t>(std::max(parameters.width, 0));
  track.height = static_cast<std::uint32_t>(std::max(parameters.height, 0));
  track.frame_rate = frame_rate;
  track.sample_rate = static_cast<std::uint32_t>(std::max(parameters.sample_rate, 0));
  track.channels = static_cast<std::uint32_t>(std::max(parameters.ch_layout.nb_channels, 0));
  track.bit_rate = static_cast<std::uint64_t>(std::max<std::int64_t>(parameters.bit_rate, 0));
  return track;
}

}  // namespace runnel::media_helper
