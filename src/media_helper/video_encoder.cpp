extern "C" {
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <cmath>

#include "media_helper/encoder.hpp"

namespace runnel::media_helper {
namespace {

std::unexpected<std::string> failure(const char* what, int code) {
  return std::unexpected{std::string{"encoding H.264 failed: "} + what + ": " + error_text(code)};
}

}  // namespace

void VideoEncoder::FreeScaler::operator()(SwsContext* s) const { sws_freeContext(s); }

// Measured with x264 veryfast on mixed material: 0.09 bits per pixel is where blocks stop to be seen; small pictures need more.
std::int64_t VideoEncoder::default_bit_rate(int width, int height, double frame_rate) {
  const double pixels = static_cast<double>(width) * height * std::clamp(frame_rate, 10.0, 60.0);
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(pixels * 0.09), 400'000, 8'000'000);
}

std::expected<VideoEncoder, std::string> VideoEncoder::open(const VideoSettings& settings) {
  const AVCodec* x264 = avcodec_find_encoder_by_name("libx264");
  if (x264 == nullptr) return std::unexpected{std::string{"this FFmpeg has no libx264, which is needed to encode video"}};
  VideoEncoder made;
  made.codec_.reset(avcodec_alloc_context3(x264));
  AVCodecContext& c = *made.codec_;
  c.width = settings.width;
  c.height = settings.height;
  c.pix_fmt = AV_PIX_FMT_YUV420P;
  c.time_base = kBase;
  c.framerate = av_d2q(settings.frame_rate, 100'000);
  c.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  c.gop_size = 100'000;  // IDRs come by time, from encode()
  c.max_b_frames = 0;
  c.thread_count = 0;
  c.color_range = AVCOL_RANGE_MPEG;
  const std::int64_t bit_rate =
      settings.bit_rate > 0 ? settings.bit_rate : default_bit_rate(settings.width, settings.height, settings.frame_rate);
  c.bit_rate = settings.bit_rate;
  c.rc_max_rate = bit_rate;
  c.rc_buffer_size = static_cast<int>(std::min<std::int64_t>(bit_rate, 1 << 30));  // one second
  AVDictionary* options = nullptr;
  av_dict_set(&options, "preset", settings.preset, 0);
  av_dict_set(&options, "tune", "zerolatency", 0);
  av_dict_set(&options, "forced-idr", "1", 0);
  av_dict_set(&options, "x264-params", "scenecut=0", 0);  // an I picture that is not an IDR helps nobody here
  if (settings.bit_rate == 0) av_dict_set(&options, "crf", "23", 0);
  const int failed = avcodec_open2(&c, x264, &options);
  av_dict_free(&options);
  if (failed < 0) return failure("the encoder did not open", failed);
  made.parameters_.reset(avcodec_parameters_alloc());
  avcodec_parameters_from_context(made.parameters_.get(), &c);
  return made;
}

std::expected<AVFrame*, std::string> VideoEncoder::fitted(AVFrame& picture) {
  if (picture.format == codec_->pix_fmt && picture.width == codec_->width && picture.height == codec_->height) return &picture;
  scaler_.reset(sws_getCachedContext(scaler_.release(), picture.width, picture.height, static_cast<AVPixelFormat>(picture.format),
                                     codec_->width, codec_->height, codec_->pix_fmt, SWS_FAST_BILINEAR, nullptr, nullptr, nullptr));
  if (!scaler_) return failure("the picture's format cannot be converted", AVERROR(EINVAL));
  av_frame_unref(scaled_.get());
  scaled_->format = codec_->pix_fmt;
  scaled_->width = codec_->width;
  scaled_->height = codec_->height;
  if (const int failed = av_frame_get_buffer(scaled_.get(), 0); failed < 0) return failure("no memory", failed);
  const int failed = sws_scale(scaler_.get(), picture.data, picture.linesize, 0, picture.height, scaled_->data, scaled_->linesize);
  if (failed < 0) return failure("scaling", failed);
  return scaled_.get();
}

Status VideoEncoder::encode(AVFrame& picture, std::int64_t pts, const PacketSink& sink) {
  if (last_pts_ != AV_NOPTS_VALUE && pts <= last_pts_) return {};
  auto frame = fitted(picture);
  if (!frame) return std::unexpected{frame.error()};
  AVFrame& f = **frame;
  const std::int64_t idr_every = av_rescale_q(kIdrEvery.count(), kMicroseconds, kBase);
  // Half a frame early counts: rounding must not make it each 1.03 s.
  const std::int64_t half_frame = av_rescale_q(1, av_inv_q(codec_->framerate), kBase) / 2;
  const bool idr = last_idr_ == AV_NOPTS_VALUE || pts - last_idr_ >= idr_every - half_frame;
  f.pict_type = idr ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
  f.pts = pts;
  if (idr) last_idr_ = pts;
  last_pts_ = pts;
  if (const int failed = avcodec_send_frame(codec_.get(), &f); failed < 0) return failure("a picture was refused", failed);
  return drain(sink);
}

Status VideoEncoder::drain(const PacketSink& sink) {
  for (;;) {
    const int got = avcodec_receive_packet(codec_.get(), packet_.get());
    if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) return {};
    if (got < 0) return failure("no packet", got);
    packet_->duration = av_rescale_q(1, av_inv_q(codec_->framerate), kBase);
    auto done = sink(*packet_);
    av_packet_unref(packet_.get());
    if (!done) return done;
  }
}

Status VideoEncoder::finish(const PacketSink& sink) {
  if (avcodec_send_frame(codec_.get(), nullptr) < 0) return {};
  return drain(sink);
}

}  // namespace runnel::media_helper
