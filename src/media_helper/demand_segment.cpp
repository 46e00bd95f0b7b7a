#include "media_helper/demand_segment.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "media_helper/codec_string.hpp"
#include "media_helper/sample_bytes.hpp"

namespace runnel::media_helper {
namespace {

constexpr int kMaxLeadingPictures = 32;          // between a key frame and the first picture shown after it
constexpr std::int64_t kTickRoundingUs = 1500;   // Matroska rounds to milliseconds
constexpr std::int64_t kLeastHoleUs = 100'000;   // players bridge less
constexpr std::int64_t kAacFrameSamples = 1024;

Packet copy_of(AVPacket& packet) {
  Packet copy = make_packet();
  av_packet_move_ref(copy.get(), &packet);
  return copy;
}

class VideoCollector {
 public:
  VideoCollector(FilmReader& reader, int stream, std::size_t number)
      : reader_(reader), stream_(stream), number_(number), cuts_(reader.film().cuts) {
    // Without knowledge of the key frames a segment may hold none of its own.
    const SeekBy by = reader.film().seek_by;
    searching_ = by == SeekBy::demuxer_search || by == SeekBy::sync_search;
  }

  std::expected<VideoPackets, DemandError> run() {
    if (const auto gone = reader_.go_to(number_, stream_); !gone) return std::unexpected{gone.error()};
    const Packet packet = make_packet();
    for (;;) {
      const auto more = reader_.next(*packet);
      if (!more) return std::unexpected{more.error()};
      if (!*more) return std::move(found_);
      if (packet->stream_index != stream_) {
        if (is_far_beyond(reader_, *packet, reader_.film().end_us(number_))) return std::move(found_);
        continue;
      }
      if (is_key(*packet) && begins_next(*packet) && !found_.own.empty()) return end_before(*packet);
      if (is_key(*packet) && begins_here(*packet)) begin(*packet);
      if (collecting_ && !add(*packet)) return std::unexpected{DemandError::too_large};
    }
  }

 private:
  static bool is_key(const AVPacket& packet) { return (packet.flags & AV_PKT_FLAG_KEY) != 0; }
  [[nodiscard]] bool begins_next(const AVPacket& packet) const {
    return number_ + 1 < cuts_.size() && reader_.film().is_at_or_after(reader_.id(packet), number_ + 1);
  }
  [[nodiscard]] bool is_own(const AVPacket& key) const { return reader_.film().is_at_or_after(reader_.id(key), number_); }
  // The first key frame at or after the cut; when searching, also the last one before it, for want of a better.
  [[nodiscard]] bool begins_here(const AVPacket& packet) const {
    if (owned_) return false;
    return number_ == 0 || searching_ || is_own(packet);
  }
  void begin(const AVPacket& key) {
    owned_ = number_ == 0 || is_own(key);
    collecting_ = true;
    found_.own.clear();
    bytes_ = 0;
  }
  bool add(AVPacket& packet) {
    bytes_ += static_cast<std::size_t>(packet.size);
    latest_ = std::max(latest_, stamp(packet));
    frame_ = packet.duration > 0 ? packet.duration
                                 : frame_ticks(reader_.stream(stream_), packet, time_base().den) / std::max(time_base().num, 1);
    found_.own.push_back(copy_of(packet));
    return bytes_ <= kMaxSegmentBytes && found_.own.size() <= kMaxSegmentSamples;
  }
  [[nodiscard]] AVRational time_base() const { return reader_.stream(stream_).time_base; }

  // The next segment begins with `key`. A gap before it: pictures that follow it in the file and come before it on the screen,
  // or no pictures at all.
  std::expected<VideoPackets, DemandError> end_before(AVPacket& key) {
    const std::int64_t next = stamp(key);
    if (next == AV_NOPTS_VALUE) return std::move(found_);
    found_.next_key = next;
    found_.end = next;
    if (next <= latest_ || next - latest_ <= frame_ + frame_ / 2) return std::move(found_);
    found_.leading.push_back(copy_of(key));
    const Packet packet = make_packet();
    while (found_.leading.size() <= kMaxLeadingPictures) {
      const auto more = reader_.next(*packet);
      if (!more) return std::unexpected{more.error()};
      if (!*more) break;
      if (packet->stream_index != stream_) continue;
      const std::int64_t time = stamp(*packet);
      if (time == AV_NOPTS_VALUE || time > next) break;
      found_.end = std::min(*found_.end, time);
      found_.leading.push_back(copy_of(*packet));
    }
    if (found_.leading.size() == 1) found_.leading.clear();
    return std::move(found_);
  }

  FilmReader& reader_;
  int stream_;
  std::size_t number_;
  const std::vector<Key>& cuts_;
  bool searching_ = false;
  bool collecting_ = false;
  bool owned_ = false;         // holds a key frame of this segment's own
  std::size_t bytes_ = 0;
  std::int64_t latest_ = AV_NOPTS_VALUE;
  std::int64_t frame_ = 1;     // in the stream's time base
  VideoPackets found_;
};

// Ticks of an audio packet; AAC's exactly, also where the container rounds.
std::int64_t audio_ticks(const StreamFacts& stream, const AVPacket& packet, std::int32_t timescale) {
  if (stream.parameters->codec_id != AV_CODEC_ID_AAC) return frame_ticks(stream, packet, timescale);
  const std::int64_t ticks = packet.duration > 0 ? av_rescale_q(packet.duration, stream.time_base, {1, timescale}) : kAacFrameSamples;
  return std::max<std::int64_t>((ticks + kAacFrameSamples / 2) / kAacFrameSamples, 1) * kAacFrameSamples;
}

// Puts silence between `from` and `to` if there is a hole that would be heard as one; the bytes of the sample that ends it, already
// there, stay last. Gives where the silence ends.
std::int64_t fill_hole(Samples& samples, const SilentFrame& silent, std::int64_t from, std::int64_t to, std::size_t last_bytes,
                       std::int32_t timescale) {
  if (to - from < std::max(av_rescale(kLeastHoleUs, timescale, 1'000'000), 2 * silent.ticks)) return from;
  const std::size_t at = samples.bytes.size() - last_bytes;
  base::Bytes filling;
  for (; from + silent.ticks <= to && samples.list.size() < kMaxSegmentSamples; from += silent.ticks) {
    samples.list.push_back({.pts = from, .size = static_cast<std::uint32_t>(silent.bytes.size()), .key = true});
    filling.insert(filling.end(), silent.bytes.begin(), silent.bytes.end());
  }
  samples.bytes.insert(samples.bytes.begin() + static_cast<std::ptrdiff_t>(at), filling.begin(), filling.end());
  return from;
}

}  // namespace

std::int64_t frame_ticks(const StreamFacts& stream, const AVPacket& packet, std::int32_t timescale) {
  if (packet.duration > 0) return std::max<std::int64_t>(av_rescale_q(packet.duration, stream.time_base, {1, timescale}), 1);
  if (stream.frame_rate.num > 0 && stream.frame_rate.den > 0) {
    return std::max<std::int64_t>(av_rescale_q(1, av_inv_q(stream.frame_rate), {1, timescale}), 1);
  }
  return std::max(timescale / 25, 1);
}

bool is_far_beyond(const FilmReader& reader, const AVPacket& packet, std::int64_t end_us) {
  const auto time = reader.time_us(packet);
  return time && end_us < *time - kMaxInterleaveUs;
}

std::int64_t to_timescale(const FilmReader& reader, int stream, std::int64_t time_stamp, std::int32_t timescale) {
  const AVRational to{1, timescale};
  return av_rescale_q(time_stamp, reader.stream(stream).time_base, to) - av_rescale_q(reader.film().origin_us, kMicroseconds, to);
}

std::int64_t on_grid(const FilmReader& reader, int stream, std::int64_t time, std::int64_t frame, std::int32_t timescale) {
  const StreamFacts& facts = reader.stream(stream);
  if (frame <= 0 || !facts.start || av_rescale_q(1, facts.time_base, {1, timescale}) <= 1) return time;
  const std::int64_t first = to_timescale(reader, stream, *facts.start, timescale);
  const std::int64_t since = time - first;
  const std::int64_t nearest = first + (since + (since >= 0 ? frame / 2 : -frame / 2)) / frame * frame;
  return std::abs(nearest - time) <= av_rescale_q(kTickRoundingUs, kMicroseconds, {1, timescale}) ? nearest : time;
}

std::expected<VideoPackets, DemandError> collect_video(FilmReader& reader, int stream, std::size_t number) {
  return VideoCollector{reader, stream, number}.run();
}

std::expected<CutSegment, DemandError> cut_video(FilmReader& reader, int stream, std::int32_t timescale, std::size_t number) {
  const auto packets = collect_video(reader, stream, number);
  if (!packets) return std::unexpected{packets.error()};
  const StreamFacts& facts = reader.stream(stream);
  CutSegment cut;
  std::int64_t last = 0;
  std::int64_t frame = 1;
  for (const Packet& packet : packets->own) {
    const bool key = (packet->flags & AV_PKT_FLAG_KEY) != 0;
    const std::int64_t time = stamp(*packet);
    const std::int64_t pts = time == AV_NOPTS_VALUE ? -1 : to_timescale(reader, stream, time, timescale);
    if (pts < 0 && !(key && cut.samples.list.empty())) continue;   // shown before the film begins
    const std::size_t size = append_sample(*facts.parameters, view(*packet), cut.samples.bytes);
    if (size == 0) continue;
    cut.samples.list.push_back({.pts = std::max<std::int64_t>(pts, 0), .size = static_cast<std::uint32_t>(size), .key = key});
    last = std::max(last, pts);
    frame = frame_ticks(facts, *packet, timescale);
  }
  if (cut.samples.list.empty()) return cut;
  const std::int64_t end = packets->end ? to_timescale(reader, stream, *packets->end, timescale) : last + frame;
  cut.decode_time = lay_out(cut.samples.list, end);
  return cut;
}

std::expected<CutSegment, DemandError> cut_audio(FilmReader& reader, int stream, std::int32_t timescale, std::size_t number,
                                                 const SilentFrame* silent) {
  if (const auto gone = reader.go_to(number, stream); !gone) return std::unexpected{gone.error()};
  const std::int64_t from = number == 0 ? std::numeric_limits<std::int64_t>::min() : reader.film().cuts[number].time_us;
  const std::int64_t to = reader.film().end_us(number);
  const StreamFacts& facts = reader.stream(stream);
  const Packet packet = make_packet();
  CutSegment cut;
  std::int64_t end = av_rescale(reader.film().cuts[number].time_us, timescale, 1'000'000);
  for (;;) {
    const auto more = reader.next(*packet);
    if (!more) return std::unexpected{more.error()};
    if (!*more || is_far_beyond(reader, *packet, to)) break;
    if (packet->stream_index != stream) continue;
    const auto time = reader.time_us(*packet);
    if (!time || *time < from) continue;
    if (*time >= to) break;
    const std::int64_t frame = audio_ticks(facts, *packet, timescale);
    const std::int64_t exact = to_timescale(reader, stream, stamp(*packet), timescale);
    const std::int64_t pts = facts.parameters->codec_id == AV_CODEC_ID_AAC ? on_grid(reader, stream, exact, frame, timescale) : exact;
    const std::size_t size = pts < 0 ? 0 : append_sample(*facts.parameters, view(*packet), cut.samples.bytes);
    if (size == 0) continue;
    if (silent != nullptr) fill_hole(cut.samples, *silent, end, pts, size, timescale);
    cut.samples.list.push_back({.pts = pts, .size = static_cast<std::uint32_t>(size), .key = true});
    end = pts + frame;
    if (cut.samples.bytes.size() > kMaxSegmentBytes || cut.samples.list.size() > kMaxSegmentSamples)
      return std::unexpected{DemandError::too_large};
  }
  if (silent != nullptr) {
    const std::int64_t wanted = av_rescale(std::min(to, reader.film().duration_us), timescale, 1'000'000);
    end = std::max(end, fill_hole(cut.samples, *silent, end, wanted, 0, timescale));
  }
  if (!cut.samples.list.empty()) cut.decode_time = lay_out(cut.samples.list, end);
  return cut;
}

}  // namespace runnel::media_helper
