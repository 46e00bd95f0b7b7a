// Paths that decode and encode again.
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "media_helper/codec_string.hpp"
#include "media_helper/paths.hpp"

namespace runnel::media_helper {
namespace {

constexpr int kMaxWidth = 1920;  // what two cores encode in real time (measured: 1080p30 superfast at 1.6 x)
constexpr int kMaxHeight = 1080;
constexpr int kFastWidth = 1280;  // wider than this gets the faster preset
constexpr base::Duration kHalfRateBehind = std::chrono::seconds{1};
constexpr base::Duration kQuarterRateBehind = std::chrono::seconds{3};

using TakeFrame = std::function<Status(AVFrame&)>;

// A decoder; what it cannot decode is left out.
class Decoder {
 public:
  static std::expected<Decoder, std::string> open(const AVStream& stream) {
    const AVCodec* codec = avcodec_find_decoder(stream.codecpar->codec_id);
    const std::string name = avcodec_get_name(stream.codecpar->codec_id);
    if (codec == nullptr) return std::unexpected{"no decoder for " + name + " is installed"};
    Decoder made;
    made.context_.reset(avcodec_alloc_context3(codec));
    int failed = avcodec_parameters_to_context(made.context_.get(), stream.codecpar);
    made.context_->pkt_timebase = stream.time_base;
    made.context_->thread_count = 0;
    if (failed >= 0) failed = avcodec_open2(made.context_.get(), codec, nullptr);
    if (failed < 0) return std::unexpected{"cannot decode " + name + ": " + error_text(failed)};
    return made;
  }
  Status push(const AVPacket* packet, const TakeFrame& take) {
    if (const int sent = avcodec_send_packet(context_.get(), packet); sent < 0 && sent != AVERROR(EAGAIN)) return {};
    while (avcodec_receive_frame(context_.get(), frame_.get()) >= 0) {
      auto done = take(*frame_);
      av_frame_unref(frame_.get());
      if (!done) return done;
    }
    return {};
  }

 private:
  Codec context_;
  Frame frame_ = make_frame();
};

class EncodeVideo final : public TrackPath {
 public:
  EncodeVideo(const PathOptions& options, Decoder decoder) : options_(options), decoder_(std::move(decoder)) {
    const double rate = av_q2d(av_guess_frame_rate(options.format, options.stream, nullptr));
    frame_rate_ = rate >= 1 && rate <= 120 ? rate : 30;
  }

  std::expected<Taken, std::string> push(AVPacket& packet, const Emit& emit) override {
    if (auto done = run(&packet, emit); !done) return std::unexpected{done.error()};
    return Taken::yes;
  }
  Status finish(const Emit& emit) override {
    if (auto done = run(nullptr, emit); !done || !encoder_) return done;
    return encoder_->finish([&](AVPacket& coded) { return emit(coded, (coded.flags & AV_PKT_FLAG_KEY) != 0); });
  }
  bool ready() const override { return encoder_.has_value(); }
  PackagedTrack track() const override {
    media::TrackInfo info = describe_track(encoder_->parameters(), frame_rate_, options_.stream->metadata);
    info.transcoded = true;
    return {&encoder_->parameters(), VideoEncoder::kBase, std::move(info)};
  }

 private:
  // Coded packets are handed on after the codec call: sending may wait for the node, which is no hang.
  Status run(const AVPacket* packet, const Emit& emit) {
    std::vector<Packet> out;
    {
      const HelperLink::Busy guard{options_.link};
      const PacketSink keep = [&](AVPacket& coded) -> Status {
        out.emplace_back(av_packet_clone(&coded));
        return {};
      };
      if (auto done = decoder_.push(packet, [&](AVFrame& f) { return encode(f, keep); }); !done) return done;
    }
    for (Packet& coded : out) {
      if (!coded) return std::unexpected{std::string{"out of memory"}};
      if (auto done = emit(*coded, (coded->flags & AV_PKT_FLAG_KEY) != 0); !done) return done;
    }
    return {};
  }
  Status encode(AVFrame& frame, const PacketSink& keep) {
    if (frame.best_effort_timestamp == AV_NOPTS_VALUE) return {};
    if (!encoder_) {
      if (auto opened = open_encoder(frame); !opened) return opened;
    }
    ++frames_;
    const base::Duration late = options_.behind ? options_.behind() : base::Duration{0};
    const unsigned keep_each = late > kQuarterRateBehind ? 4 : late > kHalfRateBehind ? 2 : 1;
    if (frames_ % keep_each != 0) return {};
    return encoder_->encode(frame, av_rescale_q(frame.best_effort_timestamp, options_.stream->time_base, VideoEncoder::kBase), keep);
  }
  Status open_encoder(const AVFrame& frame) {
    AVRational pixel = frame.sample_aspect_ratio;
    if (pixel.num <= 0 || pixel.den <= 0) pixel = {1, 1};
    const double width = frame.width * av_q2d(pixel), height = frame.height;
    const double scale = std::min({1.0, kMaxWidth / width, kMaxHeight / height});
    VideoSettings settings;
    settings.width = std::max(2, static_cast<int>(std::lround(width * scale / 2)) * 2);
    settings.height = std::max(2, static_cast<int>(std::lround(height * scale / 2)) * 2);
    settings.frame_rate = frame_rate_;
    if (settings.width > kFastWidth) settings.preset = "superfast";
    auto opened = VideoEncoder::open(settings);
    if (!opened) return std::unexpected{opened.error()};
    encoder_.emplace(std::move(*opened));
    return {};
  }

  PathOptions options_;
  Decoder decoder_;
  std::optional<VideoEncoder> encoder_;
  double frame_rate_ = 30;
  unsigned frames_ = 0;
};

class EncodeAudio final : public TrackPath {
 public:
  EncodeAudio(const PathOptions& options, Decoder decoder, AudioEncoder encoder)
      : options_(options), decoder_(std::move(decoder)), encoder_(std::move(encoder)) {}

  std::expected<Taken, std::string> push(AVPacket& packet, const Emit& emit) override {
    if (auto done = run(&packet, emit); !done) return std::unexpected{done.error()};
    return Taken::yes;
  }
  Status finish(const Emit& emit) override {
    if (auto done = run(nullptr, emit); !done) return done;
    return encoder_.finish([&](AVPacket& coded) { return emit(coded, true); });
  }
  bool ready() const override { return true; }
  PackagedTrack track() const override {
    media::TrackInfo info = describe_track(encoder_.parameters(), 0, options_.stream->metadata);
    info.transcoded = true;
    return {&encoder_.parameters(), AudioEncoder::kBase, std::move(info)};
  }

 private:
  Status run(const AVPacket* packet, const Emit& emit) {
    std::vector<Packet> out;
    {
      const HelperLink::Busy guard{options_.link};
      const PacketSink keep = [&](AVPacket& coded) -> Status {
        out.emplace_back(av_packet_clone(&coded));
        return {};
      };
      auto done = decoder_.push(packet, [&](AVFrame& f) -> Status {
        if (f.best_effort_timestamp == AV_NOPTS_VALUE || f.nb_samples <= 0 || f.sample_rate <= 0) return {};
        return encoder_.encode(f, av_rescale_q(f.best_effort_timestamp, options_.stream->time_base, AudioEncoder::kBase), keep);
      });
      if (!done) return done;
    }
    for (Packet& coded : out) {
      if (!coded) return std::unexpected{std::string{"out of memory"}};
      if (auto done = emit(*coded, true); !done) return done;
    }
    return {};
  }

  PathOptions options_;
  Decoder decoder_;
  AudioEncoder encoder_;
};

}  // namespace

std::expected<std::unique_ptr<TrackPath>, std::string> encode_video(const PathOptions& options) {
  auto decoder = Decoder::open(*options.stream);
  if (!decoder) return std::unexpected{decoder.error()};
  return std::make_unique<EncodeVideo>(options, std::move(*decoder));
}

std::expected<std::unique_ptr<TrackPath>, std::string> encode_audio(const PathOptions& options) {
  auto decoder = Decoder::open(*options.stream);
  if (!decoder) return std::unexpected{decoder.error()};
  auto encoder = AudioEncoder::open(options.stream->codecpar->ch_layout.nb_channels);
  if (!encoder) return std::unexpected{encoder.error()};
  return std::make_unique<EncodeAudio>(options, std::move(*decoder), std::move(*encoder));
}

}  // namespace runnel::media_helper
