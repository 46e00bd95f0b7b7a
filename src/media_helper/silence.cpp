#include "media_helper/silence.hpp"

#include <algorithm>

#include "media_helper/codec_string.hpp"

namespace runnel::media_helper {
namespace {

constexpr std::int64_t kAacSamples = 1024;
constexpr std::int64_t kOpusTicks = 960;     // 20 ms at 48 kHz
constexpr unsigned kLowComplexity = 2;       // ISO/IEC 14496-3 table 1.17
constexpr int kFramesToSettle = 4;           // the encoder's first frames carry its start

// RFC 6716: one CELT frame of 20 ms at full bandwidth, mono (a stereo decoder plays it on both sides), coding silence.
const base::Bytes kOpusSilence{std::byte{0xf8}, std::byte{0xff}, std::byte{0xfe}};

std::optional<SilentFrame> make_aac(const AVCodecParameters& parameters) {
  const AVCodec* codec = avcodec_find_encoder(AV_CODEC_ID_AAC);
  if (codec == nullptr) return std::nullopt;
  const Codec encoder{avcodec_alloc_context3(codec)};
  encoder->sample_rate = parameters.sample_rate;
  encoder->time_base = {1, parameters.sample_rate};
  encoder->sample_fmt = AV_SAMPLE_FMT_FLTP;
  encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  av_channel_layout_default(&encoder->ch_layout, parameters.ch_layout.nb_channels);
  if (avcodec_open2(encoder.get(), codec, nullptr) < 0) return std::nullopt;
  const Frame frame = make_frame();
  frame->nb_samples = static_cast<int>(kAacSamples);
  frame->format = AV_SAMPLE_FMT_FLTP;
  frame->sample_rate = parameters.sample_rate;
  if (av_channel_layout_copy(&frame->ch_layout, &encoder->ch_layout) < 0 || av_frame_get_buffer(frame.get(), 0) < 0) return std::nullopt;
  for (int c = 0; c < frame->ch_layout.nb_channels; ++c) std::fill_n(reinterpret_cast<float*>(frame->extended_data[c]), kAacSamples, 0.0F);
  const Packet packet = make_packet();
  SilentFrame silent{.ticks = kAacSamples};
  for (int i = 0; i < kFramesToSettle; ++i) {
    frame->pts = i * kAacSamples;
    if (avcodec_send_frame(encoder.get(), frame.get()) < 0) return std::nullopt;
    while (avcodec_receive_packet(encoder.get(), packet.get()) >= 0) silent.bytes = base::to_bytes(view(*packet));
  }
  return silent.bytes.empty() ? std::nullopt : std::optional{std::move(silent)};
}

}  // namespace

std::optional<SilentFrame> make_silent_frame(const AVCodecParameters& parameters) {
  const base::ByteView config = extradata(parameters);
  switch (parameters.codec_id) {   // a third party's enum of hundreds
    case AV_CODEC_ID_AAC:
      return config.size() >= 2 && std::to_integer<unsigned>(config[0]) >> 3 == kLowComplexity ? make_aac(parameters) : std::nullopt;
    case AV_CODEC_ID_OPUS:
      return parameters.ch_layout.nb_channels <= 2 ? std::optional{SilentFrame{kOpusSilence, kOpusTicks}} : std::nullopt;
    default: return std::nullopt;
  }
}

}  // namespace runnel::media_helper
