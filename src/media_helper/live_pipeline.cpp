#include "media_helper/live_pipeline.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

namespace runnel::media_helper {
namespace {

base::WallTime wall_now() {
  return base::WallTime{std::chrono::duration_cast<base::Duration>(std::chrono::system_clock::now().time_since_epoch())};
}

AVStream* best(AVFormatContext& format, AVMediaType type, const AVStream* related) {
  const int found = av_find_best_stream(&format, type, -1, related != nullptr ? related->index : -1, nullptr, 0);
  if (found < 0) return nullptr;
  AVStream* stream = format.streams[found];
  return (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0 ? nullptr : stream;
}

// Matroska knows no decode times: FFmpeg works them out, but not for the first pictures of a stream whose pictures are reordered.
std::int64_t guess_dts(const AVStream& stream, std::int64_t last_dts, const AVPacket& packet) {
  std::int64_t length = packet.duration;
  if (length <= 0 && stream.avg_frame_rate.num > 0) length = av_rescale_q(1, av_inv_q(stream.avg_frame_rate), stream.time_base);
  if (last_dts != AV_NOPTS_VALUE) return last_dts + std::max<std::int64_t>(length, 1);
  if (packet.pts == AV_NOPTS_VALUE) return 0;
  return packet.pts - length * std::clamp(stream.codecpar->video_delay, 0, 16);  // H.264 reorders 16 pictures at most
}

}  // namespace

Status LivePipeline::select() {
  AVFormatContext& format = input_->format();
  const bool transcode_video = video_ && video_->transcode;
  video_.reset();
  audio_.reset();
  AVStream* video = best(format, AVMEDIA_TYPE_VIDEO, nullptr);
  AVStream* audio = best(format, AVMEDIA_TYPE_AUDIO, video);
  if (video != nullptr) video_.emplace(Lane{video, nullptr, transcode_video});
  if (audio != nullptr) audio_.emplace(Lane{audio, nullptr});
  for (unsigned i = 0; i < format.nb_streams; ++i) {
    AVStream* stream = format.streams[i];
    stream->discard = stream == video || stream == audio ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
  }
  if (!video_ && !audio_) return std::unexpected{std::string{"the source has neither picture nor sound that can be read"}};
  return open_paths();
}

Status LivePipeline::open_paths() {
  PathOptions options;
  options.format = &input_->format();
  options.link = config_.link;
  options.behind = [this] { return pacer_->behind(); };
  if (video_) {
    options.stream = video_->stream;
    options.transcode = video_->transcode;
    auto path = make_video_path(options);
    if (!path) return std::unexpected{path.error()};
    video_->path = std::move(*path);
    video_->last_dts = AV_NOPTS_VALUE;
  }
  if (audio_) {
    options.stream = audio_->stream;
    options.transcode = audio_->transcode;
    auto path = make_audio_path(options);
    if (!path) return std::unexpected{path.error()};
    audio_->path = std::move(*path);
    audio_->last_dts = AV_NOPTS_VALUE;
  }
  open_ = false;
  held_.clear();
  epoch_start_.reset();
  strays_ = 0;
  return {};
}

// What is in the paths comes out first, into the old epoch.
Status LivePipeline::drain() {
  for (auto* lane : {&video_, &audio_}) {
    if (!*lane || !(*lane)->path) continue;
    const bool is_video = lane == &video_;
    auto done = (*lane)->path->finish([&](AVPacket& p, bool independent) { return emit(is_video, p, independent); });
    if (!done) return done;
  }
  if (!open_) {  // too short for both streams to show what they are
    if (audio_ && !audio_->path->ready()) audio_.reset();
    if (video_ && !video_->path->ready()) video_.reset();
    if (auto done = begin_if_ready(); !done) return done;
  }
  return open_ ? packager_.finish() : Status{};
}

Status LivePipeline::new_epoch() {
  if (auto done = drain(); !done) return done;
  pacer_->restart();
  return select();
}

bool LivePipeline::jumped(Lane& lane, const AVPacket& packet) const {
  if (packet.dts == AV_NOPTS_VALUE || lane.last_dts == AV_NOPTS_VALUE) return false;
  const base::Duration step = to_duration(packet.dts - lane.last_dts, lane.stream->time_base);
  return step > kMaxForwardJump || step < -kMaxBackwardJump;
}

// A stream that showed up after the choice was made, of a kind that is missing (FLV announces nothing).
bool LivePipeline::may_add(const AVPacket& packet) const {
  const AVFormatContext& format = input_->format();
  if (late_streams_ >= kMaxLateStreams || packet.stream_index < 0 || static_cast<unsigned>(packet.stream_index) >= format.nb_streams)
    return false;
  const AVCodecParameters& p = *format.streams[packet.stream_index]->codecpar;
  if (p.codec_type == AVMEDIA_TYPE_VIDEO) return !video_ && p.width > 0;
  return p.codec_type == AVMEDIA_TYPE_AUDIO && !audio_ && p.sample_rate > 0;
}

// RTSP's first picture comes before its clock does. What has no times at all (bare H.264) has none to wait for.
bool LivePipeline::comes_before_time(Lane& lane, const AVPacket& packet) const {
  if (packet.dts != AV_NOPTS_VALUE || packet.pts != AV_NOPTS_VALUE || lane.last_dts != AV_NOPTS_VALUE) return false;
  return (input_->format().iformat->flags & AVFMT_NOTIMESTAMPS) == 0 && lane.timeless++ < kMaxTimeless;
}

Status LivePipeline::take(AVPacket& packet) {
  const auto lane_of = [&]() -> Lane* {
    if (video_ && packet.stream_index == video_->stream->index) return &*video_;
    if (audio_ && packet.stream_index == audio_->stream->index) return &*audio_;
    return nullptr;
  };
  Lane* lane = lane_of();
  if (lane == nullptr && may_add(packet)) {
    ++late_streams_;
    if (auto done = new_epoch(); !done) return done;
    lane = lane_of();
  }
  if (lane == nullptr || !has_sane_times(packet, lane->stream->time_base)) return {};
  if (comes_before_time(*lane, packet)) return {};
  if (packet.dts == AV_NOPTS_VALUE) packet.dts = guess_dts(*lane->stream, lane->last_dts, packet);
  if (jumped(*lane, packet)) {
    if (auto done = new_epoch(); !done) return done;
    lane = lane_of();
    if (lane == nullptr) return {};
  }
  // Where time stamps jump, the other stream's last packets still carry the old ones.
  const bool stray = lane->last_dts == AV_NOPTS_VALUE && epoch_start_ &&
                     std::chrono::abs(to_duration(packet.dts, lane->stream->time_base) - now_) > kMaxForwardJump;
  if (stray && strays_++ < kMaxStrays) return {};
  lane->last_dts = packet.dts;
  now_ = to_duration(packet.dts, lane->stream->time_base);
  if (!epoch_start_) epoch_start_ = now_;
  pacer_->wait(now_);
  captured_ = wall_now();
  return push(*lane, packet);
}

Status LivePipeline::push(Lane& lane, AVPacket& packet) {
  Lane* to = &lane;
  const bool is_video = video_ && to == &*video_;
  // A new epoch, then once more as transcoding: after that a path takes everything.
  for (int attempt = 0; attempt < 3 && to != nullptr && to->path; ++attempt) {
    const auto taken = to->path->push(packet, [&](AVPacket& p, bool independent) { return emit(is_video, p, independent); });
    if (!taken) return std::unexpected{taken.error()};
    if (*taken == Taken::yes) return begin_if_ready();
    if (*taken == Taken::must_transcode) {
      to->transcode = true;
      if (config_.notice) config_.notice("the video has no points where a viewer could begin (IDR); it is encoded anew");
    }
    if (auto done = new_epoch(); !done) return done;
    to = is_video ? (video_ ? &*video_ : nullptr) : (audio_ ? &*audio_ : nullptr);
  }
  return {};
}

Status LivePipeline::emit(bool is_video, AVPacket& packet, bool independent) {
  if (packet.pts == AV_NOPTS_VALUE) packet.pts = packet.dts;
  if (open_) return write(is_video, packet, independent, captured_);
  if (held_.size() >= kMaxHeldPackets) held_.pop_front();
  Packet kept = make_packet();
  if (!kept || av_packet_ref(kept.get(), &packet) < 0) return std::unexpected{std::string{"out of memory"}};
  held_.push_back({is_video, independent, std::move(kept), captured_});
  return {};
}

Status LivePipeline::write(bool is_video, AVPacket& packet, bool independent, base::WallTime captured) {
  return is_video ? packager_.write_video(packet, independent, captured) : packager_.write_audio(packet, captured);
}

Status LivePipeline::begin_if_ready() {
  if (open_ || (!video_ && !audio_)) return {};
  const base::Duration waited = epoch_start_ ? now_ - *epoch_start_ : base::Duration{0};
  if (audio_ && !audio_->path->ready()) {
    if (waited < kWaitForAudio || !video_) return {};
    audio_.reset();
    if (config_.notice) config_.notice("the source announced sound, but none came; going on without");
  }
  if (video_ && !video_->path->ready()) {
    if (waited < kWaitForVideo || !audio_) return {};
    video_.reset();
    if (config_.notice) config_.notice("the source announced a picture, but none that can be decoded came; going on with the sound");
  }
  const std::optional<PackagedTrack> video = video_ ? std::optional{video_->path->track()} : std::nullopt;
  const std::optional<PackagedTrack> audio = audio_ ? std::optional{audio_->path->track()} : std::nullopt;
  if (auto begun = packager_.begin(next_epoch_++, video ? &*video : nullptr, audio ? &*audio : nullptr); !begun) return begun;
  open_ = true;
  for (const Held& h : std::exchange(held_, {})) {
    if (h.is_video ? !video_ : !audio_) continue;
    if (auto done = write(h.is_video, *h.packet, h.independent, h.captured); !done) return done;
  }
  return {};
}

LivePipeline::Outcome LivePipeline::run(LiveInput& input, Pacer& pacer, Ending ending) {
  input_ = &input;
  pacer_ = &pacer;
  video_.reset();
  audio_.reset();
  late_streams_ = 0;
  const std::uint32_t first_epoch = next_epoch_;
  Outcome outcome;
  Status status = select();
  Packet packet = make_packet();
  std::map<int, Packet> last;  // by stream: may be cut, and is known to be whole only when another follows
  while (status) {
    outcome.code = input.read(*packet);
    if (outcome.code == AVERROR(EAGAIN)) continue;
    if (outcome.code < 0) break;
    if (ending == Ending::cut && input.bytes_ended()) {
      Packet& held = last.try_emplace(packet->stream_index, make_packet()).first->second;
      std::swap(held, packet);
      if (packet->data == nullptr) continue;
    }
    status = take(*packet);
    av_packet_unref(packet.get());
  }
  if (status) status = drain();
  if (!status) outcome.error = status.error();
  outcome.any_media = next_epoch_ != first_epoch;
  video_.reset();
  audio_.reset();
  held_.clear();
  return outcome;
}

}  // namespace runnel::media_helper
