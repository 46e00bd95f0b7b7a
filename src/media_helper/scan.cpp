#include "media_helper/scan.hpp"

#include <algorithm>
#include <deque>

namespace runnel::media_helper {
namespace {

constexpr std::int64_t kLeastKeyDistanceUs = 1'000'000;   // enough to cut segments of two seconds and more
constexpr std::int64_t kInterleaveUs = 10'000'000;        // packets of one time lie no farther apart in a file
constexpr std::size_t kMaxRecent = 8192;                  // packets remembered for that
constexpr std::size_t kMaxFragments = 1U << 20;

// Where each fragment of an MP4 begins.
std::expected<std::vector<std::uint64_t>, DemandError> fragment_positions(BlockCache& cache, std::uint64_t from) {
  std::vector<std::uint64_t> positions;
  for (std::uint64_t at = from; at < cache.size() && positions.size() < kMaxFragments;) {
    const auto box = read_top_level_box(cache, at);
    if (!box) return std::unexpected{box.error()};
    if (!*box || (*box)->size < 8) break;
    if ((*box)->type == "moof") positions.push_back(at);
    if ((*box)->size > cache.size() - at) break;
    at += (*box)->size;
  }
  return positions;
}

class Scanner {
 public:
  Scanner(BlockCache& cache, Container& container, FilmIndex film, std::vector<std::uint64_t> fragments)
      : cache_(cache),
        container_(container),
        film_(std::move(film)),
        fragments_(std::move(fragments)),
        last_position_(container.format().nb_streams, 0) {
    film_.seek_by = SeekBy::position;
    index_.origin_us = film_.origin_us;
    index_.header_bytes = film_.header_bytes;
  }

  std::expected<ScannedIndex, DemandError> run(const std::function<void()>& alive) {
    const Packet packet = make_packet();
    for (;;) {
      alive();
      const auto more = container_.read(*packet);
      if (!more) return std::unexpected{more.error()};
      if (!*more) break;
      take(*packet);
    }
    index_.duration_us = std::clamp<std::int64_t>(index_.duration_us, 0, kMaxScannedTimeUs);
    if (container_.is("matroska") && first_cluster_) index_.header_bytes = *first_cluster_;
    for (ScannedKey& key : index_.keys) key.position = std::max(key.position, index_.header_bytes);
    return std::move(index_);
  }

 private:
  struct Seen {
    std::int64_t time_us;
    std::uint64_t position;
  };

  void take(const AVPacket& packet) {
    if (packet.stream_index < 0 || static_cast<std::size_t>(packet.stream_index) >= last_position_.size()) return;
    const AVStream& stream = container_.stream(packet.stream_index);
    const auto time = film_.time_us(packet, stream.time_base);
    if (!time || *time > kMaxScannedTimeUs) return;
    const std::uint64_t position = position_of(packet);
    const bool served = std::ranges::any_of(film_.tracks, [&](const SourceTrack& t) { return t.stream == packet.stream_index; });
    if (!served) return;
    const bool key = packet.stream_index == film_.reference && (packet.flags & AV_PKT_FLAG_KEY) != 0;
    if (key && *time >= 0) add_key(*time, position);
    recent_.push_back({*time, position});
    while (recent_.size() > kMaxRecent || recent_.front().time_us < *time - kInterleaveUs) recent_.pop_front();
    const AVCodecParameters& p = *stream.codecpar;
    if (p.codec_type == AVMEDIA_TYPE_SUBTITLE) return;   // text that stays beyond the film's end does not make it longer
    index_.duration_us = std::max(index_.duration_us, *time + av_rescale_q(packet.duration, stream.time_base, kMicroseconds));
  }
  void add_key(std::int64_t time, std::uint64_t position) {
    if (index_.keys.size() >= kMaxScannedKeys || (!index_.keys.empty() && time < index_.keys.back().time_us + kLeastKeyDistanceUs)) return;
    for (const Seen& seen : recent_) {   // what is shown later but lies before
      if (seen.time_us >= time) position = std::min(position, seen.position);
    }
    index_.keys.push_back({time, position});
  }

  // Where a demuxer must begin to meet this packet: at its own bytes, or those of the cluster or fragment that it is in.
  std::uint64_t position_of(const AVPacket& packet) {
    std::uint64_t& last = last_position_[static_cast<std::size_t>(packet.stream_index)];
    if (film_.splice == SpliceKind::matroska) {
      AVStream& stream = container_.stream(packet.stream_index);
      const AVIndexEntry* entry = avformat_index_get_entry_from_timestamp(&stream, packet.pts, AVSEEK_FLAG_BACKWARD);
      if (entry != nullptr && entry->pos >= 0) cluster_ = std::max(cluster_, static_cast<std::uint64_t>(entry->pos));
      if (!first_cluster_ && entry != nullptr) first_cluster_ = cluster_;
      return cluster_;
    }
    if (packet.pos < 0) return last;   // one of several frames in what was read at once
    last = static_cast<std::uint64_t>(packet.pos);
    if (film_.splice == SpliceKind::mp4) {
      const auto after = std::ranges::upper_bound(fragments_, last);
      last = after == fragments_.begin() ? index_.header_bytes : *std::prev(after);
    }
    return last;
  }

  BlockCache& cache_;
  Container& container_;
  FilmIndex film_;
  std::vector<std::uint64_t> fragments_;
  std::vector<std::uint64_t> last_position_;   // by stream
  std::deque<Seen> recent_;
  std::uint64_t cluster_ = 0;
  std::optional<std::uint64_t> first_cluster_;
  ScannedIndex index_;
};

std::expected<ScannedIndex, DemandError> scan_packets(RandomReader& reader, const std::string& name, const std::function<void()>& alive) {
  BlockCache cache{reader};
  auto container = open_film(cache, name);
  if (!container) return std::unexpected{container.error()};
  auto film = read_tracks(**container, cache);
  if (!film) return std::unexpected{film.error()};
  std::vector<std::uint64_t> fragments;
  if (film->splice == SpliceKind::mp4) {
    auto found = fragment_positions(cache, film->header_bytes);
    if (!found) return std::unexpected{found.error()};
    fragments = std::move(*found);
  }
  return Scanner{cache, **container, std::move(*film), std::move(fragments)}.run(alive);
}

}  // namespace

std::expected<ScannedFile, DemandError> scan_file(RandomReader& reader, const std::string& name, const std::function<void()>& alive) {
  ScannedFile file;
  const auto options = [&] {
    return FilmReader::Options{.name = name, .cancelled = [&] {
                                 alive();
                                 return false;
                               }};
  };
  const auto film = Film::open(reader, options());
  if (!film) {
    if (film.error() == DemandError::read_failed) return std::unexpected{film.error()};
    file.reason = message(film.error());
    return file;
  }
  file.is_media = true;
  file.mime = (*film)->mime();
  file.duration = (*film)->index().duration;
  file.tracks = (*film)->index().tracks;
  if (!(*film)->wants_index()) return file;
  auto index = scan_packets(reader, name, alive);
  if (!index) return std::unexpected{index.error()};
  if (index->keys.empty()) return file;
  file.duration = base::Duration{index->duration_us};
  file.index = std::move(*index);
  return file;
}

}  // namespace runnel::media_helper
