#include "media_helper/packager.hpp"

extern "C" {
#include <libavutil/opt.h>
}

#include <algorithm>
#include <cmath>
#include <utility>

namespace runnel::media_helper {
namespace {

constexpr int kIoBufferBytes = 64 << 10;
constexpr AVRational kVideoBase{1, 90'000};

int append(void* opaque, std::uint8_t* data, int size) {
  auto& out = *static_cast<base::Bytes*>(opaque);
  const base::ByteView view = std::as_bytes(std::span{data, static_cast<std::size_t>(size)});
  out.insert(out.end(), view.begin(), view.end());
  return size;
}

std::unexpected<std::string> failure(const char* what, int code) {
  return std::unexpected{std::string{"packaging failed: "} + what + ": " + error_text(code)};
}

}  // namespace

Packager::~Packager() = default;

AVStream* Packager::add_stream(const PackagedTrack& track, AVRational base) {
  AVStream* stream = avformat_new_stream(muxer_.get(), nullptr);
  if (stream == nullptr || avcodec_parameters_copy(stream->codecpar, track.parameters) < 0) return nullptr;
  stream->codecpar->codec_tag = 0;  // the source container's tag means nothing in MP4
  stream->time_base = base;
  if (!track.info.language.empty()) av_dict_set(&stream->metadata, "language", track.info.language.c_str(), 0);
  return stream;
}

std::expected<void, std::string> Packager::begin(std::uint32_t epoch, const PackagedTrack* video, const PackagedTrack* audio) {
  epoch_ = epoch;
  written_.clear();
  pending_ = {};
  base_.reset();
  reached_ = {};
  video_.reset();
  audio_.reset();

  AVFormatContext* made = nullptr;
  if (const int failed = avformat_alloc_output_context2(&made, nullptr, "mp4", nullptr); failed < 0) return failure("no muxer", failed);
  muxer_.reset(made);
  auto* buffer = static_cast<unsigned char*>(av_malloc(kIoBufferBytes));
  io_.reset(avio_alloc_context(buffer, kIoBufferBytes, 1, &written_, nullptr, &append, nullptr));
  made->pb = io_.get();
  made->flags |= AVFMT_FLAG_CUSTOM_IO;
  made->avoid_negative_ts = AVFMT_AVOID_NEG_TS_MAKE_NON_NEGATIVE;

  std::vector<media::TrackInfo> tracks;
  if (video != nullptr) {
    AVStream* stream = add_stream(*video, kVideoBase);
    if (stream == nullptr) return failure("video", AVERROR(ENOMEM));
    video_ = Track{stream, video->time_base};
    if (video->info.frame_rate > 0) video_->frame_duration = std::llround(kVideoBase.den / video->info.frame_rate);
    tracks.push_back(video->info);
  }
  if (audio != nullptr) {
    AVStream* stream = add_stream(*audio, AVRational{1, std::max(audio->parameters->sample_rate, 1)});
    if (stream == nullptr) return failure("audio", AVERROR(ENOMEM));
    audio_ = Track{stream, audio->time_base};
    tracks.push_back(audio->info);
  }
  // Why these flags: every chunk is cut by us, its times stand on the epoch's own zero, and nothing but moof and mdat comes out.
  AVDictionary* options = nullptr;
  av_dict_set(&options, "movflags", "frag_custom+empty_moov+cmaf+frag_discont+default_base_moof", 0);
  av_dict_set(&options, "use_editlist", "0", 0);
  av_dict_set(&options, "video_track_timescale", "90000", 0);
  const int failed = avformat_write_header(made, &options);
  av_dict_free(&options);
  if (failed < 0) return failure("the streams do not fit MP4", failed);
  avio_flush(made->pb);
  sink_.on_init({epoch_, std::move(tracks), std::exchange(written_, {})});
  return {};
}

std::expected<void, std::string> Packager::write(Track& track, AVPacket& packet) {
  pending_.bytes += static_cast<std::size_t>(packet.size);
  packet.stream_index = track.stream->index;
  packet.pos = -1;
  // Sources repeat or reverse time stamps now and then; the container must not.
  if (track.last_dts != AV_NOPTS_VALUE && packet.dts <= track.last_dts) packet.dts = track.last_dts + 1;
  packet.pts = std::max(packet.pts, packet.dts);
  if (packet.duration <= 0 && track.frame_duration == 0 && track.last_dts != AV_NOPTS_VALUE)
    track.frame_duration = packet.dts - track.last_dts;
  if (packet.duration <= 0) packet.duration = track.frame_duration;
  track.last_dts = packet.dts;
  const int failed = av_write_frame(muxer_.get(), &packet);
  if (failed < 0) return failure("a packet was refused", failed);
  return {};
}

std::expected<void, std::string> Packager::write_video(AVPacket& packet, bool independent, base::WallTime captured) {
  if (!video_ || packet.size <= 0) return {};
  if (!base_ && !independent) return {};
  const base::Duration dts = to_duration(packet.dts, video_->input_base);
  if (!base_) base_ = dts;
  // A chunk ends before the IDR that begins the next one (sound that waits goes along with it), and before a frame that would
  // make it too long.
  const base::Duration length =
      packet.duration > 0 ? to_duration(packet.duration, video_->input_base) : to_duration(video_->frame_duration, kVideoBase);
  const base::Duration at = dts - *base_;
  const bool too_long = pending_.start && at + length - *pending_.start > kChunkMax;
  if (pending_.start && (independent || too_long)) {
    if (auto done = flush(); !done) return done;
  }
  const std::int64_t shift = av_rescale_q(base_->count(), kMicroseconds, kVideoBase);
  av_packet_rescale_ts(&packet, video_->input_base, video_->stream->time_base);
  packet.dts -= shift;
  packet.pts -= shift;
  if (packet.duration > 0) video_->frame_duration = packet.duration;
  packet.flags = independent ? packet.flags | AV_PKT_FLAG_KEY : packet.flags & ~AV_PKT_FLAG_KEY;
  if (auto done = write(*video_, packet); !done) return done;

  if (!pending_.start) {
    pending_.start = to_duration(packet.dts, video_->stream->time_base);
    pending_.captured = captured;
    pending_.independent = independent;
  }
  pending_.any = true;
  pending_.end = to_duration(packet.dts + packet.duration, video_->stream->time_base);
  if (pending_.end - *pending_.start >= kChunkAim || pending_.bytes >= kMaxPendingBytes) return flush();
  return {};
}

std::expected<void, std::string> Packager::write_audio(AVPacket& packet, base::WallTime captured) {
  if (!audio_ || packet.size <= 0) return {};
  const base::Duration dts = to_duration(packet.dts, audio_->input_base);
  if (!base_ && video_) return {};
  if (!base_) base_ = dts;
  if (dts < *base_) return {};  // heard before the first picture
  const std::int64_t shift = av_rescale_q(base_->count(), kMicroseconds, audio_->stream->time_base);
  av_packet_rescale_ts(&packet, audio_->input_base, audio_->stream->time_base);
  packet.dts -= shift;
  packet.pts -= shift;
  if (packet.duration > 0) audio_->frame_duration = packet.duration;
  packet.flags |= AV_PKT_FLAG_KEY;
  if (auto done = write(*audio_, packet); !done) return done;

  if (!pending_.any) pending_.captured = captured;
  pending_.any = true;
  const base::Duration at = to_duration(packet.dts, audio_->stream->time_base);
  const base::Duration length = to_duration(packet.duration, audio_->stream->time_base);
  pending_.audio_span += length;
  if (!video_) {
    pending_.independent = true;
    if (!pending_.start) pending_.start = at;
    pending_.end = at + length;
  }
  // Sound goes on where the picture stands still; but TS carries it in bundles of a few hundred milliseconds, which is no standstill.
  const bool enough = video_ ? pending_.audio_span >= kSoundAlone && !pending_.start : pending_.end - *pending_.start >= kChunkAim;
  if (enough || pending_.bytes >= kMaxPendingBytes) return flush();
  return {};
}

std::expected<void, std::string> Packager::flush() {
  if (!pending_.any) return {};
  const int failed = av_write_frame(muxer_.get(), nullptr);
  if (failed < 0) return failure("a chunk was refused", failed);
  avio_flush(muxer_->pb);
  const Pending done = std::exchange(pending_, {});
  // Sound alone in a stream with a picture adds no time: the next picture's chunk covers it.
  const base::Duration start = done.start.value_or(reached_);
  reached_ = done.start ? done.end : reached_;
  base::Bytes bytes = std::exchange(written_, {});
  if (bytes.empty()) return {};
  sink_.on_chunk({epoch_, done.independent, start, std::max(reached_ - start, base::Duration{0}), done.captured, std::move(bytes)});
  return {};
}

std::expected<void, std::string> Packager::finish() { return muxer_ ? flush() : std::expected<void, std::string>{}; }

}  // namespace runnel::media_helper
