#include "media_helper/track_policy.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "media_helper/codec_string.hpp"

namespace runnel::media_helper {
namespace {

constexpr std::size_t kOpusHeadBytes = 19;       // RFC 7845 5.1
constexpr std::size_t kFlacStreamInfoBytes = 34; // RFC 9639 8.2
constexpr int kMaxPassedChannels = 8;

// AudioSpecificConfig's object type (ISO/IEC 14496-3 1.6.2.1), or the ADTS profile where there is no configuration.
int aac_object_type(const AVCodecParameters& p) {
  const base::ByteView config = extradata(p);
  if (config.size() >= 2) return std::to_integer<int>(config[0]) >> 3;
  return p.profile == FF_PROFILE_UNKNOWN ? 2 : p.profile + 1;
}

// profile_idc of the first parameter set; beyond High, pictures are deeper than 8 bit or not 4:2:0.
std::optional<int> avc_profile(const AVCodecParameters& p) {
  const base::ByteView data = extradata(p);
  if (h264_length_bytes(data) != 0) return std::to_integer<int>(data[1]);
  for (const base::ByteView nal : h264_nals(data, 0)) {
    if (h264_nal_type(nal) == static_cast<std::uint8_t>(H264Nal::sps) && nal.size() > 1) return std::to_integer<int>(nal[1]);
  }
  return std::nullopt;
}

bool is_eight_bit_420(const AVCodecParameters& p) {
  return p.format == AV_PIX_FMT_NONE || p.format == AV_PIX_FMT_YUV420P || p.format == AV_PIX_FMT_YUVJ420P;
}

// What Chromium's Media Source takes in MP4 (measured on Debian's build: H.264 8 bit, AV1, VP9; no HEVC, no VP8).
bool video_passes(const AVCodecParameters& p) {
  switch (p.codec_id) {   // a third party's enum of hundreds
    case AV_CODEC_ID_H264: {
      const auto profile = avc_profile(p);
      return profile && *profile <= FF_PROFILE_H264_HIGH && is_eight_bit_420(p);
    }
    case AV_CODEC_ID_AV1: return extradata(p).size() >= 4 && p.profile <= FF_PROFILE_AV1_MAIN;
    case AV_CODEC_ID_VP9: return p.profile == FF_PROFILE_VP9_0 || p.profile == FF_PROFILE_VP9_2;
    default: return false;
  }
}

bool audio_passes(const AVCodecParameters& p) {
  if (p.ch_layout.nb_channels > kMaxPassedChannels) return false;
  switch (p.codec_id) {
    case AV_CODEC_ID_AAC: {
      // HE-AAC in ADTS hides half of its configuration in the frames.
      const int type = aac_object_type(p);
      return type == 2 || (extradata(p).size() >= 2 && (type == 5 || type == 29));
    }
    case AV_CODEC_ID_OPUS: return extradata(p).size() >= kOpusHeadBytes;
    case AV_CODEC_ID_FLAC: return extradata(p).size() >= kFlacStreamInfoBytes;
    default: return false;
  }
}

bool is_text_subtitle(AVCodecID codec) {
  const AVCodecDescriptor* descriptor = avcodec_descriptor_get(codec);
  return descriptor != nullptr && (descriptor->props & AV_CODEC_PROP_TEXT_SUB) != 0;
}

// Containers whose packets may lack presentation times, or carry them wrong with B-frames.
bool has_whole_times(Container& container) { return !container.is("avi") && !container.is("asf"); }

SourceTrack describe(Container& container, int index) {
  const AVStream& stream = container.stream(index);
  const AVCodecParameters& p = *stream.codecpar;
  const bool is_video = p.codec_type == AVMEDIA_TYPE_VIDEO;
  const AVRational rate = stream.avg_frame_rate.num > 0 ? stream.avg_frame_rate : stream.r_frame_rate;
  SourceTrack track{.stream = index};
  track.info = describe_track(p, is_video && rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0, stream.metadata);
  if (is_video) {
    track.delivery = has_whole_times(container) && video_passes(p) ? Delivery::copy : Delivery::transcode;
  } else if (p.codec_type == AVMEDIA_TYPE_AUDIO) {
    track.delivery = audio_passes(p) ? Delivery::copy : Delivery::transcode;
  } else {
    track.delivery = Delivery::text;
    track.info.codecs = "wvtt";
  }
  track.info.transcoded = track.delivery == Delivery::transcode;
  if (track.info.transcoded) track.info.codecs.clear();
  return track;
}

bool can_serve(const AVStream& stream) {
  const AVCodecParameters& p = *stream.codecpar;
  if ((stream.disposition & AV_DISPOSITION_ATTACHED_PIC) != 0 || avcodec_find_decoder(p.codec_id) == nullptr) return false;
  switch (p.codec_type) {
    case AVMEDIA_TYPE_VIDEO: return p.width > 0 && p.height > 0;
    case AVMEDIA_TYPE_AUDIO: return p.sample_rate > 0 && p.ch_layout.nb_channels > 0;
    case AVMEDIA_TYPE_SUBTITLE: return is_text_subtitle(p.codec_id);
    default: return false;
  }
}

}  // namespace

std::vector<SourceTrack> choose_tracks(Container& container) {
  std::vector<SourceTrack> tracks;
  const int count = static_cast<int>(container.format().nb_streams);
  int best = av_find_best_stream(&container.format(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  for (int i = 0; i < count && (best < 0 || !can_serve(container.stream(best))); ++i) {
    if (container.stream(i).codecpar->codec_type == AVMEDIA_TYPE_VIDEO) best = i;
  }
  if (best >= 0 && can_serve(container.stream(best))) tracks.push_back(describe(container, best));
  for (const AVMediaType type : {AVMEDIA_TYPE_AUDIO, AVMEDIA_TYPE_SUBTITLE}) {
    std::uint32_t number = 0;
    for (int i = 0; i < count && tracks.size() < kMaxServedTracks; ++i) {
      if (container.stream(i).codecpar->codec_type != type || !can_serve(container.stream(i))) continue;
      tracks.push_back(describe(container, i));
      tracks.back().info.number = number++;
    }
  }
  return tracks;
}

bool header_is_enough(Container& container) {
  if (!container.is("mov")) return false;   // others tell the film's first time stamp in their packets only
  for (const AVStream* stream : std::span{container.format().streams, container.format().nb_streams}) {
    const AVCodecParameters& p = *stream->codecpar;
    if (p.codec_type == AVMEDIA_TYPE_VIDEO && (p.width <= 0 || p.height <= 0)) return false;
    if (p.codec_type == AVMEDIA_TYPE_AUDIO && (p.sample_rate <= 0 || p.ch_layout.nb_channels <= 0)) return false;
    if (p.codec_id == AV_CODEC_ID_VP9 && p.profile == FF_PROFILE_UNKNOWN) return false;
    const bool needs_extradata = p.codec_id == AV_CODEC_ID_H264 || p.codec_id == AV_CODEC_ID_AV1 || p.codec_id == AV_CODEC_ID_AAC ||
                                 p.codec_id == AV_CODEC_ID_OPUS || p.codec_id == AV_CODEC_ID_FLAC;
    if (needs_extradata && p.extradata_size < 2) return false;
  }
  return container.format().nb_streams > 0;
}

std::string mime_type(Container& container, bool has_video, base::ByteView head) {
  const std::string kind = has_video ? "video/" : "audio/";
  if (container.is("mov")) return head.size() >= 12 && base::as_text(head.subspan(8, 4)) == "qt  " ? "video/quicktime" : kind + "mp4";
  if (container.is("matroska")) return kind + (base::as_text(head).find("webm") != std::string_view::npos ? "webm" : "x-matroska");
  if (container.is("ogg")) return kind + "ogg";
  constexpr std::array<std::pair<std::string_view, const char*>, 10> kTypes{{{"mpegts", "video/mp2t"},
                                                                             {"mpeg", "video/mpeg"},
                                                                             {"avi", "video/x-msvideo"},
                                                                             {"flv", "video/x-flv"},
                                                                             {"asf", "video/x-ms-asf"},
                                                                             {"mp3", "audio/mpeg"},
                                                                             {"aac", "audio/aac"},
                                                                             {"flac", "audio/flac"},
                                                                             {"wav", "audio/wav"},
                                                                             {"aiff", "audio/aiff"}}};
  for (const auto& [name, type] : kTypes) {
    if (container.is(name)) return type;
  }
  return "application/octet-stream";
}

}  // namespace runnel::media_helper
