#include "media_helper/audio_transcode.hpp"

extern "C" {
#include <libavutil/channel_layout.h>
#include <libswresample/swresample.h>
}
#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <span>
#include <utility>

#include "media_helper/codec_string.hpp"

namespace runnel::media_helper {
namespace {

constexpr std::int64_t kFrame = AudioTranscoder::kFrameSamples;
constexpr std::int64_t kWarmUpFrames = 3;             // fed to the encoder before the first frame that is kept
constexpr std::int64_t kPreRollUs = 300'000;          // of packets before a segment: MP3's bit reservoir reaches back 0.25 s
constexpr std::int64_t kMaxSegmentUs = 600'000'000;   // ten minutes of samples are 230 MB
constexpr std::int64_t kMaxJitterUs = 3'000;          // time stamps may be rounded so much and still continue the samples before
constexpr int kMaxChannels = 2;                       // browsers' users hear stereo; the file itself keeps its channels
constexpr std::int64_t kBitRatePerChannel = 80'000;
constexpr std::array kAacRates{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000};
constexpr int kUsualRate = 48'000;

struct FreeResampler {
  void operator()(SwrContext* s) const { swr_free(&s); }
};

std::expected<Codec, DemandError> open_encoder(int sample_rate, int channels) {
  const AVCodec* codec = avcodec_find_encoder(AV_CODEC_ID_AAC);
  if (codec == nullptr) return std::unexpected{DemandError::encoder};
  Codec encoder{avcodec_alloc_context3(codec)};
  encoder->sample_rate = sample_rate;
  encoder->time_base = {1, sample_rate};
  encoder->sample_fmt = AV_SAMPLE_FMT_FLTP;
  encoder->bit_rate = kBitRatePerChannel * channels;
  encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  av_channel_layout_default(&encoder->ch_layout, channels);
  if (avcodec_open2(encoder.get(), codec, nullptr) < 0 || encoder->frame_size != kFrame) return std::unexpected{DemandError::encoder};
  return encoder;
}

// Samples of the film from `base` on, planar; holes are silent.
class Canvas {
 public:
  Canvas(std::int64_t base, int channels) : base_(base), planes_(static_cast<std::size_t>(channels)) {}
  // Where they are in the film; what lies before the canvas or past `limit` is cut off.
  void place(std::int64_t at, std::span<const float* const> planes, std::int64_t count, std::int64_t limit) {
    const std::int64_t from = std::max(at, base_);
    const std::int64_t to = std::min(at + count, limit);
    if (to <= from) return;
    const auto need = static_cast<std::size_t>(to - base_);
    for (std::size_t c = 0; c < planes_.size(); ++c) {
      if (planes_[c].size() < need) planes_[c].resize(need);
      std::copy(planes[c] + (from - at), planes[c] + (to - at), planes_[c].begin() + (from - base_));
    }
  }
  [[nodiscard]] std::int64_t end() const { return base_ + static_cast<std::int64_t>(planes_[0].size()); }
  void extend_to(std::int64_t end) {
    for (auto& plane : planes_) plane.resize(static_cast<std::size_t>(std::max<std::int64_t>(end - base_, 0)));
  }
  [[nodiscard]] const float* at(std::size_t channel, std::int64_t position) const { return planes_[channel].data() + (position - base_); }

 private:
  std::int64_t base_;
  std::vector<std::vector<float>> planes_;
};

// Packets of one track decoded onto a canvas.
class Painter {
 public:
  Painter(const FilmReader& reader, int stream, const AVCodecParameters& output, Canvas& canvas, std::int64_t limit)
      : reader_(reader), stream_(stream), output_(output), canvas_(canvas), limit_(limit) {}

  bool open() {
    const StreamFacts& facts = reader_.stream(stream_);
    const AVCodec* codec = avcodec_find_decoder(facts.parameters->codec_id);
    decoder_.reset(avcodec_alloc_context3(codec));
    if (codec == nullptr || avcodec_parameters_to_context(decoder_.get(), facts.parameters.get()) < 0) return false;
    decoder_->pkt_timebase = facts.time_base;
    return avcodec_open2(decoder_.get(), codec, nullptr) >= 0;
  }
  // Packets that do not decode leave silence. nullptr: no more.
  void decode(const AVPacket* packet) {
    static_cast<void>(avcodec_send_packet(decoder_.get(), packet));
    while (avcodec_receive_frame(decoder_.get(), frame_.get()) >= 0) paint();
  }

 private:
  void paint() {
    if (!configure()) return;
    const int rate = output_.sample_rate;
    if (frame_->best_effort_timestamp != AV_NOPTS_VALUE) {
      const std::int64_t frame_length = av_rescale(frame_->nb_samples, rate, frame_->sample_rate);
      std::int64_t at = to_timescale(reader_, stream_, frame_->best_effort_timestamp, rate);
      at = on_grid(reader_, stream_, at, frame_length, rate);
      const std::int64_t jitter = av_rescale(kMaxJitterUs, rate, 1'000'000);
      if (!cursor_ || std::abs(at - *cursor_) > jitter) cursor_ = at;
    }
    if (!cursor_) return;
    const int room = swr_get_out_samples(resampler_.get(), frame_->nb_samples);
    if (room <= 0) return;
    const auto channels = static_cast<std::size_t>(output_.ch_layout.nb_channels);
    std::array<std::vector<float>, kMaxChannels> planes;
    std::array<std::uint8_t*, kMaxChannels> to{};
    std::array<const float*, kMaxChannels> from{};
    for (std::size_t c = 0; c < channels; ++c) {
      planes[c].resize(static_cast<std::size_t>(room));
      to[c] = reinterpret_cast<std::uint8_t*>(planes[c].data());
      from[c] = planes[c].data();
    }
    const int count =
        swr_convert(resampler_.get(), to.data(), room, const_cast<const std::uint8_t**>(frame_->extended_data), frame_->nb_samples);
    if (count <= 0) return;
    canvas_.place(*cursor_, std::span{from}.first(channels), count, limit_);
    *cursor_ += count;
  }
  // The converter for frames of this kind.
  bool configure() {
    if (frame_->sample_rate <= 0 || frame_->ch_layout.nb_channels <= 0) return false;
    const bool same = resampler_ && frame_->format == format_ && frame_->sample_rate == rate_ && frame_->ch_layout.nb_channels == channels_;
    if (same) return true;
    format_ = frame_->format;
    rate_ = frame_->sample_rate;
    channels_ = frame_->ch_layout.nb_channels;
    AVChannelLayout layout = frame_->ch_layout;
    if (layout.order == AV_CHANNEL_ORDER_UNSPEC) av_channel_layout_default(&layout, channels_);
    SwrContext* made = nullptr;
    AVChannelLayout wanted = output_.ch_layout;   // a plain value: its layouts are native ones
    const int result = swr_alloc_set_opts2(&made, &wanted, AV_SAMPLE_FMT_FLTP, output_.sample_rate, &layout,
                                           static_cast<AVSampleFormat>(format_), rate_, 0, nullptr);
    resampler_.reset(made);
    if (result >= 0 && swr_init(made) >= 0) return true;
    resampler_.reset();
    return false;
  }

  const FilmReader& reader_;
  int stream_;
  const AVCodecParameters& output_;
  Canvas& canvas_;
  std::int64_t limit_;
  Codec decoder_;
  Frame frame_ = make_frame();
  std::unique_ptr<SwrContext, FreeResampler> resampler_;
  int format_ = -1;
  int rate_ = 0;
  int channels_ = 0;
  std::optional<std::int64_t> cursor_;   // where the next sample belongs
};

// Frames [first, last) of the grid.
struct FrameRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

// The encoder gives each frame the time of the samples that a decoder will make of it, so its time stamp is its place on the grid.
std::expected<CutSegment, DemandError> encode(const FilmReader& reader, const Canvas& canvas, const AVCodecParameters& output,
                                              FrameRange range) {
  const int channels = output.ch_layout.nb_channels;
  auto encoder = open_encoder(output.sample_rate, channels);
  if (!encoder) return std::unexpected{encoder.error()};
  const Packet packet = make_packet();
  CutSegment cut;
  const auto drain = [&] {
    while (avcodec_receive_packet(encoder->get(), packet.get()) >= 0) {
      if (packet->pts < range.first * kFrame || packet->pts >= range.last * kFrame) continue;
      base::Writer{cut.samples.bytes}.write_view(view(*packet));
      cut.samples.list.push_back({.pts = packet->pts, .size = static_cast<std::uint32_t>(packet->size), .key = true});
    }
  };
  for (std::int64_t number = range.first - kWarmUpFrames; number <= range.last; ++number) {
    if (reader.cancelled()) return std::unexpected{DemandError::cancelled};
    const Frame frame = make_frame();
    frame->nb_samples = static_cast<int>(kFrame);
    frame->format = AV_SAMPLE_FMT_FLTP;
    frame->sample_rate = output.sample_rate;
    frame->pts = number * kFrame;
    if (av_channel_layout_copy(&frame->ch_layout, &output.ch_layout) < 0 || av_frame_get_buffer(frame.get(), 0) < 0) {
      return std::unexpected{DemandError::encoder};
    }
    for (int c = 0; c < channels; ++c) {
      std::copy_n(canvas.at(static_cast<std::size_t>(c), number * kFrame), kFrame, reinterpret_cast<float*>(frame->extended_data[c]));
    }
    if (avcodec_send_frame(encoder->get(), frame.get()) < 0) return std::unexpected{DemandError::encoder};
    drain();
  }
  static_cast<void>(avcodec_send_frame(encoder->get(), nullptr));
  drain();
  if (!cut.samples.list.empty()) cut.decode_time = lay_out(cut.samples.list, range.last * kFrame);
  return cut;
}

std::int64_t first_frame_from(std::int64_t time_us, int rate) {
  return (av_rescale_rnd(time_us, rate, 1'000'000, AV_ROUND_UP) + kFrame - 1) / kFrame;
}

}  // namespace

std::expected<std::unique_ptr<AudioTranscoder>, DemandError> AudioTranscoder::create(const StreamFacts& stream) {
  std::unique_ptr<AudioTranscoder> transcoder{new AudioTranscoder};
  const AVCodecParameters& source = *stream.parameters;
  const int rate = std::ranges::find(kAacRates, source.sample_rate) != kAacRates.end() ? source.sample_rate : kUsualRate;
  const auto encoder = open_encoder(rate, std::min(source.ch_layout.nb_channels, kMaxChannels));
  if (!encoder) return std::unexpected{encoder.error()};
  transcoder->output_ = Parameters{avcodec_parameters_alloc()};
  if (avcodec_parameters_from_context(transcoder->output_.get(), encoder->get()) < 0) return std::unexpected{DemandError::encoder};
  return transcoder;
}

std::expected<CutSegment, DemandError> AudioTranscoder::cut(FilmReader& reader, int stream, std::size_t number) {
  const int rate = output_->sample_rate;
  const std::int64_t from_us = reader.film().cuts[number].time_us;
  const bool to_the_end = number + 1 == reader.film().cuts.size();
  const std::int64_t to_us = to_the_end ? from_us + kMaxSegmentUs : reader.film().end_us(number);
  if (to_us - from_us > kMaxSegmentUs) return std::unexpected{DemandError::too_large};
  FrameRange range{first_frame_from(from_us, rate), first_frame_from(to_us, rate)};
  const std::int64_t limit = (range.last + 1) * kFrame;
  const std::int64_t limit_us = av_rescale_rnd(limit, 1'000'000, rate, AV_ROUND_UP);

  Canvas canvas{(range.first - kWarmUpFrames) * kFrame, output_->ch_layout.nb_channels};
  Painter painter{reader, stream, *output_, canvas, limit};
  if (!painter.open()) return std::unexpected{DemandError::corrupt};
  std::vector<Packet> before = tail_for_ == number ? std::exchange(tail_, {}) : std::vector<Packet>{};
  tail_.clear();
  tail_for_ = 0;
  std::int64_t newest = std::numeric_limits<std::int64_t>::min();
  const auto use = [&](const AVPacket& packet, std::int64_t time) {
    painter.decode(&packet);
    newest = time;
    if (time >= to_us - kPreRollUs) tail_.emplace_back(av_packet_clone(&packet));
  };
  for (const Packet& packet : before) use(*packet, reader.time_us(*packet).value_or(newest));

  if (const auto gone = reader.go_to(number, stream, kPreRollUs); !gone) return std::unexpected{gone.error()};
  const Packet packet = make_packet();
  for (;;) {
    const auto more = reader.next(*packet);
    if (!more) return std::unexpected{more.error()};
    if (!*more || is_far_beyond(reader, *packet, limit_us)) break;
    if (packet->stream_index != stream) continue;
    const auto time = reader.time_us(*packet);
    if (!time || *time <= newest || *time < from_us - kPreRollUs) continue;
    if (*time >= limit_us) break;
    use(*packet, *time);
  }
  painter.decode(nullptr);
  tail_for_ = tail_.empty() ? 0 : number + 1;
  if (to_the_end) {   // as far as there is sound, or the film
    const std::int64_t heard = (canvas.end() + kFrame - 1) / kFrame;
    range.last = std::clamp(std::max(heard, av_rescale(reader.film().duration_us, rate, 1'000'000) / kFrame), range.first, range.last);
  }
  canvas.extend_to((range.last + 1) * kFrame);
  return encode(reader, canvas, *output_, range);
}

}  // namespace runnel::media_helper
