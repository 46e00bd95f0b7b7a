#include "media_helper/video_transcode.hpp"

extern "C" {
#include <libavutil/opt.h>
}
#include <algorithm>
#include <limits>
#include <string>

#include "media_helper/codec_string.hpp"
#include "media_helper/filter_library.hpp"

namespace runnel::media_helper {
namespace {

constexpr AVRational kTimeBase{1, VideoTranscoder::kTimescale};
constexpr int kThreads = 2;
constexpr std::int64_t kMaxBitRate = 4'000'000;       // 720p at x264's quality 23 stays below it but for noise
constexpr int kMaxKeyInterval = 250;
constexpr AVRational kSlowestRate{1, 1};
constexpr AVRational kFastestRate{120, 1};

struct FreeGraph {
  void operator()(AVFilterGraph* g) const { filter_library()->graph_free(&g); }
};

struct Size {
  int width = 0;
  int height = 0;
};
// Shrunk to fit, both even, the shape kept.
Size fit(int width, int height) {
  const double scale =
      std::min({1.0, static_cast<double>(VideoTranscoder::kMaxWidth) / width, static_cast<double>(VideoTranscoder::kMaxHeight) / height});
  const auto even = [&](int n) { return std::max(static_cast<int>(n * scale / 2 + 0.5) * 2, 2); };
  return {even(width), even(height)};
}

std::expected<Codec, DemandError> open_encoder(const AVCodecParameters& source, AVRational frame_rate) {
  const AVCodec* codec = avcodec_find_encoder_by_name("libx264");
  if (codec == nullptr) return std::unexpected{DemandError::encoder};
  Codec encoder{avcodec_alloc_context3(codec)};
  const Size size = fit(source.width, source.height);
  encoder->width = size.width;
  encoder->height = size.height;
  encoder->pix_fmt = AV_PIX_FMT_YUV420P;
  encoder->time_base = kTimeBase;
  encoder->framerate = frame_rate;
  encoder->sample_aspect_ratio = source.sample_aspect_ratio;
  encoder->color_range = source.color_range;
  encoder->color_primaries = source.color_primaries;
  encoder->color_trc = source.color_trc;
  encoder->colorspace = source.color_space == AVCOL_SPC_RGB ? AVCOL_SPC_UNSPECIFIED : source.color_space;
  encoder->gop_size = kMaxKeyInterval;
  encoder->max_b_frames = 0;
  encoder->rc_max_rate = kMaxBitRate;
  encoder->rc_buffer_size = 2 * kMaxBitRate;
  encoder->thread_count = kThreads;
  encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_CLOSED_GOP;
  av_opt_set(encoder->priv_data, "preset", "superfast", 0);
  av_opt_set(encoder->priv_data, "crf", "23", 0);
  av_opt_set(encoder->priv_data, "profile", "high", 0);
  if (avcodec_open2(encoder.get(), codec, nullptr) < 0) return std::unexpected{DemandError::encoder};
  return encoder;
}

std::expected<Codec, DemandError> open_decoder(const StreamFacts& stream) {
  const AVCodec* codec = avcodec_find_decoder(stream.parameters->codec_id);
  if (codec == nullptr) return std::unexpected{DemandError::corrupt};
  Codec decoder{avcodec_alloc_context3(codec)};
  if (avcodec_parameters_to_context(decoder.get(), stream.parameters.get()) < 0) return std::unexpected{DemandError::corrupt};
  decoder->pkt_timebase = stream.time_base;
  decoder->thread_count = kThreads;
  if (avcodec_open2(decoder.get(), codec, nullptr) < 0) return std::unexpected{DemandError::corrupt};
  return decoder;
}

bool may_be_interlaced(AVCodecID codec) {
  return codec == AV_CODEC_ID_MPEG2VIDEO || codec == AV_CODEC_ID_MPEG4 || codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_VC1 ||
         codec == AV_CODEC_ID_DVVIDEO || codec == AV_CODEC_ID_PRORES;
}

// Scales, deinterlaces pictures that say they are interlaced, converts to 4:2:0 with 8 bits.
class PictureFilter {
 public:
  // For frames of this one's size and format; their times are in 1/90000 s.
  bool open(const AVFrame& frame, Size to, bool deinterlace) {
    if (library_ == nullptr) return false;
    graph_.reset(library_->graph_alloc());
    width_ = frame.width;
    height_ = frame.height;
    format_ = frame.format;
    const AVRational shape = frame.sample_aspect_ratio.num > 0 ? frame.sample_aspect_ratio : AVRational{1, 1};
    const std::string input = "video_size=" + std::to_string(width_) + "x" + std::to_string(height_) +
                              ":pix_fmt=" + std::to_string(format_) + ":time_base=1/" + std::to_string(VideoTranscoder::kTimescale) +
                              ":pixel_aspect=" + std::to_string(shape.num) + "/" + std::to_string(shape.den);
    const std::string scale = std::to_string(to.width) + ":" + std::to_string(to.height) + ":flags=bilinear";
    AVFilterContext* last = nullptr;
    source_ = add("buffer", input, last);
    last = source_;
    if (deinterlace) last = add("yadif", "mode=send_frame:deint=interlaced", last);
    last = add("scale", scale, last);
    last = add("format", "pix_fmts=yuv420p", last);
    sink_ = add("buffersink", "", last);
    return !failed_ && library_->graph_config(graph_.get(), nullptr) >= 0;
  }
  [[nodiscard]] bool fits(const AVFrame& frame) const {
    return graph_ && frame.width == width_ && frame.height == height_ && frame.format == format_;
  }
  [[nodiscard]] bool is_open() const { return graph_ != nullptr; }
  // nullptr: no more frames.
  bool push(AVFrame* frame) { return library_->add_frame_flags(source_, frame, AV_BUFFERSRC_FLAG_KEEP_REF) >= 0; }
  bool pull(AVFrame& frame) {
    av_frame_unref(&frame);
    if (library_->get_frame(sink_, &frame) < 0) return false;
    frame.pts = av_rescale_q(frame.pts, library_->get_time_base(sink_), kTimeBase);
    frame.pict_type = AV_PICTURE_TYPE_NONE;
    return true;
  }

 private:
  AVFilterContext* add(const char* name, const std::string& options, AVFilterContext* after) {
    AVFilterContext* filter = nullptr;
    if (library_->graph_create_filter(&filter, library_->get_by_name(name), nullptr, options.c_str(), nullptr, graph_.get()) < 0 ||
        (after != nullptr && library_->link(after, 0, filter, 0) < 0)) {
      failed_ = true;
    }
    return filter;
  }
  const FilterLibrary* library_ = filter_library();
  std::unique_ptr<AVFilterGraph, FreeGraph> graph_;
  AVFilterContext* source_ = nullptr;
  AVFilterContext* sink_ = nullptr;
  int width_ = 0;
  int height_ = 0;
  int format_ = -1;
  bool failed_ = false;
};

// The pictures of one segment on their way from packets to samples.
class Conversion {
 public:
  Conversion(FilmReader& reader, int stream, Codec decoder, Codec encoder)
      : reader_(reader), stream_(stream), decoder_(std::move(decoder)), encoder_(std::move(encoder)) {}

  std::expected<CutSegment, DemandError> run(const VideoPackets& packets, bool first_segment) {
    if (packets.own.empty()) return CutSegment{};
    const std::int64_t first = film_ticks(stamp(*packets.own.front()));
    from_ = first_segment ? 0 : first;
    if (packets.own.front()->pts == AV_NOPTS_VALUE) align_to_ = std::max(first, from_);
    if (packets.next_key) to_ = film_ticks(*packets.next_key);
    for (const auto* list : {&packets.own, &packets.leading}) {
      for (const Packet& packet : *list) {
        if (reader_.cancelled()) return std::unexpected{DemandError::cancelled};
        decode(packet.get());
        if (error_) return std::unexpected{*error_};
      }
    }
    decode(nullptr);
    if (filter_.is_open() && filter_.push(nullptr)) encode_filtered();
    encode(nullptr);
    if (error_) return std::unexpected{*error_};
    if (cut_.samples.list.empty()) return std::unexpected{DemandError::corrupt};
    const std::int64_t last = std::ranges::max(cut_.samples.list, {}, &Sample::pts).pts;
    const std::int64_t frame = std::max<std::int64_t>(av_rescale_q(1, av_inv_q(encoder_->framerate), kTimeBase), 1);
    cut_.decode_time = lay_out(cut_.samples.list, packets.next_key ? to_ : last + frame);
    return std::move(cut_);
  }

 private:
  [[nodiscard]] std::int64_t film_ticks(std::int64_t time_stamp) const {
    return to_timescale(reader_, stream_, time_stamp, VideoTranscoder::kTimescale);
  }
  // Packets that do not decode are passed over: the picture before stays.
  void decode(const AVPacket* packet) {
    static_cast<void>(avcodec_send_packet(decoder_.get(), packet));
    while (!error_ && avcodec_receive_frame(decoder_.get(), frame_.get()) >= 0) {
      if (reader_.cancelled()) error_ = DemandError::cancelled;
      if (frame_->best_effort_timestamp == AV_NOPTS_VALUE) continue;
      const std::int64_t time = film_ticks(frame_->best_effort_timestamp);
      if (align_to_ && shift_ == AV_NOPTS_VALUE) shift_ = *align_to_ - time;
      frame_->pts = time + (align_to_ ? shift_ : 0);
      if (frame_->pts < from_ || frame_->pts >= to_ || frame_->pts <= newest_) continue;
      newest_ = frame_->pts;
      filter();
    }
  }
  void filter() {
    if (!filter_.fits(*frame_)) {
      if (filter_.is_open() && filter_.push(nullptr)) encode_filtered();
      if (!filter_.open(*frame_, {encoder_->width, encoder_->height}, may_be_interlaced(decoder_->codec_id))) {
        error_ = DemandError::corrupt;
        return;
      }
    }
    if (filter_.push(frame_.get())) encode_filtered();
  }
  void encode_filtered() {
    while (!error_ && filter_.pull(*scaled_)) encode(scaled_.get());
  }
  void encode(const AVFrame* frame) {
    if (avcodec_send_frame(encoder_.get(), frame) < 0) error_ = DemandError::encoder;
    while (!error_ && avcodec_receive_packet(encoder_.get(), packet_.get()) >= 0) {
      const bool key = (packet_->flags & AV_PKT_FLAG_KEY) != 0;
      append(view(*packet_));
      cut_.samples.list.push_back({.pts = packet_->pts, .size = static_cast<std::uint32_t>(packet_->size), .key = key});
      if (cut_.samples.bytes.size() > kMaxSegmentBytes || cut_.samples.list.size() > kMaxSegmentSamples) error_ = DemandError::too_large;
    }
  }
  // Start codes become lengths.
  void append(base::ByteView annex_b) {
    base::Writer writer{cut_.samples.bytes};
    const std::size_t before = writer.size();
    for (const base::ByteView nal : h264_nals(annex_b, 0)) {
      writer.write(static_cast<std::uint32_t>(nal.size()));
      writer.write_view(nal);
    }
    packet_->size = static_cast<int>(writer.size() - before);
  }

  FilmReader& reader_;
  int stream_;
  Codec decoder_;
  Codec encoder_;
  PictureFilter filter_;
  Frame frame_ = make_frame();
  Frame scaled_ = make_frame();
  Packet packet_ = make_packet();
  std::int64_t from_ = 0;
  std::int64_t to_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t newest_ = -1;
  // Where the container knows decode times only (AVI), frames come out of the decoder late by its delay: the first one is put to
  // where its packet was, the others after it.
  std::optional<std::int64_t> align_to_;
  std::int64_t shift_ = AV_NOPTS_VALUE;
  std::optional<DemandError> error_;
  CutSegment cut_;
};

}  // namespace

std::expected<std::unique_ptr<VideoTranscoder>, DemandError> VideoTranscoder::create(const StreamFacts& stream) {
  std::unique_ptr<VideoTranscoder> transcoder{new VideoTranscoder};
  const AVRational rate = stream.frame_rate;
  if (rate.num > 0 && rate.den > 0 && av_cmp_q(rate, kSlowestRate) >= 0 && av_cmp_q(rate, kFastestRate) <= 0)
    transcoder->frame_rate_ = rate;
  transcoder->source_ = copy_parameters(*stream.parameters);
  const auto encoder = open_encoder(*stream.parameters, transcoder->frame_rate_);
  if (!encoder) return std::unexpected{encoder.error()};
  transcoder->output_ = Parameters{avcodec_parameters_alloc()};
  if (avcodec_parameters_from_context(transcoder->output_.get(), encoder->get()) < 0) return std::unexpected{DemandError::encoder};
  transcoder->output_->bit_rate = kMaxBitRate;
  return transcoder;
}

std::expected<CutSegment, DemandError> VideoTranscoder::cut(FilmReader& reader, int stream, std::size_t number) {
  const auto packets = collect_video(reader, stream, number);
  if (!packets) return std::unexpected{packets.error()};
  auto decoder = open_decoder(reader.stream(stream));
  if (!decoder) return std::unexpected{decoder.error()};
  auto encoder = open_encoder(*source_, frame_rate_);
  if (!encoder) return std::unexpected{encoder.error()};
  return Conversion{reader, stream, std::move(*decoder), std::move(*encoder)}.run(*packets, number == 0);
}

}  // namespace runnel::media_helper
