extern "C" {
#include <libavutil/audio_fifo.h>
#include <libavutil/channel_layout.h>
#include <libswresample/swresample.h>
}

#include <algorithm>
#include <array>
#include <vector>

#include "media_helper/encoder.hpp"

namespace runnel::media_helper {
namespace {

constexpr std::int64_t kTolerance = AudioEncoder::kSampleRate / 20;   // 50 ms off before sound is moved; containers round to 1 ms
constexpr std::int64_t kMaxSilence = AudioEncoder::kSampleRate * 10;  // what is filled in at once: a longer gap is a new epoch's matter

std::unexpected<std::string> failure(const char* what, int code) {
  return std::unexpected{std::string{"encoding AAC failed: "} + what + ": " + error_text(code)};
}

}  // namespace

void AudioEncoder::FreeResampler::operator()(SwrContext* s) const { swr_free(&s); }
void AudioEncoder::FreeFifo::operator()(AVAudioFifo* f) const { av_audio_fifo_free(f); }

std::expected<AudioEncoder, std::string> AudioEncoder::open(int channels) {
  const AVCodec* aac = avcodec_find_encoder(AV_CODEC_ID_AAC);
  if (aac == nullptr) return std::unexpected{std::string{"this FFmpeg has no AAC encoder"}};
  AudioEncoder made;
  made.codec_.reset(avcodec_alloc_context3(aac));
  AVCodecContext& c = *made.codec_;
  c.sample_rate = kSampleRate;
  c.sample_fmt = AV_SAMPLE_FMT_FLTP;
  av_channel_layout_default(&c.ch_layout, std::clamp(channels, 1, 2));
  c.bit_rate = kBitRate;
  c.time_base = kBase;
  c.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  if (const int failed = avcodec_open2(&c, aac, nullptr); failed < 0) return failure("the encoder did not open", failed);
  made.fifo_.reset(av_audio_fifo_alloc(c.sample_fmt, c.ch_layout.nb_channels, c.frame_size * 4));
  if (!made.fifo_) return failure("no memory", AVERROR(ENOMEM));
  made.parameters_.reset(avcodec_parameters_alloc());
  avcodec_parameters_from_context(made.parameters_.get(), &c);
  return made;
}

Status AudioEncoder::resample(AVFrame& sound) {
  const bool changed =
      sound.sample_rate != source_rate_ || sound.format != source_format_ || sound.ch_layout.nb_channels != source_channels_;
  if (!resampler_ || changed) {
    if (sound.ch_layout.order == AV_CHANNEL_ORDER_UNSPEC) av_channel_layout_default(&sound.ch_layout, sound.ch_layout.nb_channels);
    SwrContext* made = nullptr;
    int failed = swr_alloc_set_opts2(&made, &codec_->ch_layout, codec_->sample_fmt, codec_->sample_rate, &sound.ch_layout,
                                     static_cast<AVSampleFormat>(sound.format), sound.sample_rate, 0, nullptr);
    resampler_.reset(made);
    if (failed >= 0) failed = swr_init(made);
    if (failed < 0) return failure("the sound's format cannot be converted", failed);
    source_rate_ = sound.sample_rate;
    source_format_ = sound.format;
    source_channels_ = sound.ch_layout.nb_channels;
  }
  Frame out = make_frame();
  out->format = codec_->sample_fmt;
  out->sample_rate = codec_->sample_rate;
  out->nb_samples = swr_get_out_samples(resampler_.get(), sound.nb_samples);
  av_channel_layout_copy(&out->ch_layout, &codec_->ch_layout);
  if (out->nb_samples <= 0) return {};
  if (const int failed = av_frame_get_buffer(out.get(), 0); failed < 0) return failure("no memory", failed);
  const int got =
      swr_convert(resampler_.get(), out->data, out->nb_samples, const_cast<const std::uint8_t**>(sound.extended_data), sound.nb_samples);
  if (got < 0) return failure("resampling", got);
  if (av_audio_fifo_write(fifo_.get(), reinterpret_cast<void**>(out->data), got) < got) return failure("no memory", AVERROR(ENOMEM));
  return {};
}

// Brings what is queued in line with the time stamp of what comes next.
Status AudioEncoder::mend(std::int64_t pts) {
  const std::int64_t expected = next_pts_ + av_audio_fifo_size(fifo_.get());
  const std::int64_t gap = pts - expected;
  if (gap > kMaxSilence || gap < -kMaxSilence) {
    av_audio_fifo_reset(fifo_.get());
    next_pts_ = pts;
  } else if (gap > kTolerance) {
    std::vector<float> silence(static_cast<std::size_t>(gap), 0.0F);
    std::array<void*, 2> planes{silence.data(), silence.data()};
    if (av_audio_fifo_write(fifo_.get(), planes.data(), static_cast<int>(gap)) < gap) return failure("no memory", AVERROR(ENOMEM));
  }
  return {};
}

Status AudioEncoder::encode(AVFrame& sound, std::int64_t pts, const PacketSink& sink) {
  if (next_pts_ == AV_NOPTS_VALUE) next_pts_ = pts;
  if (auto done = mend(pts); !done) return done;
  // Sound that was heard already: the whole frame is left out, the next one closes up.
  if (next_pts_ + av_audio_fifo_size(fifo_.get()) - pts > kTolerance) return {};
  if (auto done = resample(sound); !done) return done;
  return encode_whole(sink);
}

Status AudioEncoder::encode_whole(const PacketSink& sink) {
  while (av_audio_fifo_size(fifo_.get()) >= codec_->frame_size) {
    av_frame_unref(frame_.get());
    frame_->nb_samples = codec_->frame_size;
    frame_->format = codec_->sample_fmt;
    frame_->sample_rate = codec_->sample_rate;
    av_channel_layout_copy(&frame_->ch_layout, &codec_->ch_layout);
    if (const int failed = av_frame_get_buffer(frame_.get(), 0); failed < 0) return failure("no memory", failed);
    av_audio_fifo_read(fifo_.get(), reinterpret_cast<void**>(frame_->data), codec_->frame_size);
    frame_->pts = next_pts_;
    next_pts_ += codec_->frame_size;
    if (const int failed = avcodec_send_frame(codec_.get(), frame_.get()); failed < 0) return failure("a frame was refused", failed);
    if (auto done = drain(sink); !done) return done;
  }
  return {};
}

Status AudioEncoder::drain(const PacketSink& sink) {
  for (;;) {
    const int got = avcodec_receive_packet(codec_.get(), packet_.get());
    if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) return {};
    if (got < 0) return failure("no packet", got);
    packet_->duration = codec_->frame_size;
    auto done = sink(*packet_);
    av_packet_unref(packet_.get());
    if (!done) return done;
  }
}

Status AudioEncoder::finish(const PacketSink& sink) {
  if (avcodec_send_frame(codec_.get(), nullptr) < 0) return {};
  return drain(sink);
}

}  // namespace runnel::media_helper
