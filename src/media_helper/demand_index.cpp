#include "media_helper/demand_index.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace runnel::media_helper {
namespace {

constexpr int kMaxTopLevelBoxes = 64;                    // before the first fragment
constexpr std::int64_t kTailUs = 10'000'000;             // an index that ends so long before the film is not one
constexpr std::int64_t kEarliestOriginUs = -500'000;     // audio priming before zero is no reason to shift a film
constexpr std::int64_t kGuessedTimesUs = 250'000;      // program streams give not every picture a time; FFmpeg guesses
constexpr std::int64_t kMaxFilmUs = kMaxScannedTimeUs;
constexpr std::int64_t kEndless = std::numeric_limits<std::int64_t>::max();

std::int64_t rescale(std::int64_t value, AVRational from) { return av_rescale_q(value, from, kMicroseconds); }

// The time at which decoding may begin runs behind or ahead of what the index tells (decode times) by the first frame's delay.
std::int64_t first_delay(const AVStream& stream) {
  const AVIndexEntry* first = avformat_index_get_entry(const_cast<AVStream*>(&stream), 0);
  return first != nullptr && first->timestamp < 0 ? -first->timestamp : 0;
}

bool covers(const std::vector<Key>& keys, std::int64_t duration_us) {
  if (keys.empty() || duration_us <= 0) return false;
  std::int64_t largest = 0;
  for (std::size_t i = 1; i < keys.size(); ++i) largest = std::max(largest, keys[i].time_us - keys[i - 1].time_us);
  return keys.back().time_us + std::max(kTailUs, 2 * largest) >= duration_us;
}

void use_scanned(FilmIndex& film, const ScannedIndex& scanned, std::uint64_t file_bytes) {
  film.origin_us = scanned.origin_us;
  film.duration_us = scanned.duration_us;
  film.header_bytes = scanned.header_bytes;
  film.seek_by = SeekBy::position;
  std::vector<Key> keys;
  for (const ScannedKey& key : scanned.keys) {
    if (key.position >= file_bytes || key.position < scanned.header_bytes) continue;
    keys.push_back({.time_us = key.time_us, .id = key.time_us, .position = static_cast<std::int64_t>(key.position)});
  }
  film.cuts = plan_cuts(keys, film.duration_us);
}

}  // namespace

std::expected<std::optional<TopLevelBox>, DemandError> read_top_level_box(BlockCache& cache, std::uint64_t at) {
  std::array<std::byte, 16> head{};
  std::size_t have = 0;
  while (have < head.size() && at + have < cache.size()) {
    const auto got = cache.read(at + have, base::MutableByteView{head}.subspan(have));
    if (!got) return std::unexpected{got.error() == ReadError::cancelled ? DemandError::cancelled : DemandError::read_failed};
    if (*got == 0) break;
    have += *got;
  }
  base::Reader reader{base::ByteView{head}.first(have)};
  const auto size = reader.read<std::uint32_t>();
  const auto type = reader.read_view(4);
  if (!size || !type) return std::optional<TopLevelBox>{};
  TopLevelBox box{.size = *size, .type = std::string{base::as_text(*type)}};
  if (*size == 1) box.size = reader.read<std::uint64_t>().value_or(0);
  return box;
}

std::optional<std::int64_t> FilmIndex::time_us(const AVPacket& packet, AVRational time_base) const {
  const std::int64_t stamp = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
  if (stamp == AV_NOPTS_VALUE) return std::nullopt;
  return rescale(stamp, time_base) - origin_us;
}

std::optional<std::int64_t> FilmIndex::id(const AVPacket& packet, AVRational time_base) const {
  if (seek_by != SeekBy::container_index) return time_us(packet, time_base);
  const std::int64_t first = ids_are_decode_times ? packet.dts : packet.pts;
  const std::int64_t stamp = first != AV_NOPTS_VALUE ? first : ids_are_decode_times ? packet.pts : packet.dts;
  return stamp == AV_NOPTS_VALUE ? std::nullopt : std::optional{stamp};
}

std::int64_t FilmIndex::end_us(std::size_t number) const { return number + 1 < cuts.size() ? cuts[number + 1].time_us : kEndless; }

std::expected<std::optional<std::uint64_t>, DemandError> find_first_fragment(BlockCache& cache) {
  std::uint64_t at = 0;
  bool seen_moov = false;
  for (int i = 0; i < kMaxTopLevelBoxes && at < cache.size(); ++i) {
    const auto box = read_top_level_box(cache, at);
    if (!box) return std::unexpected{box.error()};
    if (!*box || (i == 0 && (*box)->type != "ftyp" && (*box)->type != "styp" && (*box)->type != "moov")) break;
    if ((*box)->type == "moof" && seen_moov) return at;
    if ((*box)->type == "mdat" && seen_moov) break;
    seen_moov = seen_moov || (*box)->type == "moov";
    if ((*box)->size < 8 || (*box)->size > cache.size() - at) break;
    at += (*box)->size;
  }
  return std::optional<std::uint64_t>{};
}

std::expected<std::unique_ptr<Container>, DemandError> open_film(BlockCache& cache, const std::string& name) {
  const auto fragment = find_first_fragment(cache);
  if (!fragment) return std::unexpected{fragment.error()};
  Container::Options options{.name = name, .ignore_index = fragment->has_value(), .find_stream_info = false};
  auto container = Container::open(cache, options);
  if (!container || (!options.ignore_index && header_is_enough(**container))) return container;
  if (const auto found = (*container)->find_stream_info(); !found) return std::unexpected{found.error()};
  return container;
}

std::expected<FilmIndex, DemandError> read_tracks(Container& container, BlockCache& cache) {
  FilmIndex film;
  film.tracks = choose_tracks(container);
  const auto playable = std::ranges::find_if(film.tracks, [](const SourceTrack& t) { return t.info.kind != media::TrackKind::subtitle; });
  if (playable == film.tracks.end()) return std::unexpected{DemandError::no_tracks};
  film.reference = playable->stream;
  film.has_video = playable->info.kind == media::TrackKind::video;
  const AVFormatContext& format = container.format();
  if (format.start_time != AV_NOPTS_VALUE) film.origin_us = std::clamp(format.start_time, -kMaxFilmUs, kMaxFilmUs);
  if (film.origin_us < 0 && film.origin_us >= kEarliestOriginUs) film.origin_us = 0;
  if (format.duration != AV_NOPTS_VALUE) film.duration_us = std::clamp<std::int64_t>(format.duration, 0, kMaxFilmUs);
  film.ids_are_decode_times = !container.is("matroska");
  const auto fragment = find_first_fragment(cache);
  if (!fragment) return std::unexpected{fragment.error()};
  if (fragment->has_value()) {
    film.splice = SpliceKind::mp4;
    film.header_bytes = **fragment;
  } else if (container.is("matroska")) {
    film.splice = SpliceKind::matroska;
  }
  film.positions_work = film.splice || container.is("mpegts") || container.is("mpeg");
  return film;
}

std::vector<Key> container_keys(Container& container, FilmIndex& film, std::uint64_t file_bytes) {
  // Other demuxers remember only what they have read.
  const bool has_index = container.is("mov") || container.is("matroska") || container.is("avi") || container.is("flv");
  if (!has_index || film.splice == SpliceKind::mp4) return {};
  AVStream& stream = container.stream(film.reference);
  if (container.is("matroska")) {   // its cues are read with the first seek
    if (!container.seek(film.reference, 0)) return {};
  }
  std::vector<Key> keys;
  const std::int64_t delay = film.ids_are_decode_times ? first_delay(stream) : 0;
  const int count = avformat_index_get_entries_count(&stream);
  for (int i = 0; i < count; ++i) {
    const AVIndexEntry& entry = *avformat_index_get_entry(&stream, i);
    if ((entry.flags & AVINDEX_KEYFRAME) == 0 || (entry.flags & AVINDEX_DISCARD_FRAME) != 0 || entry.timestamp == AV_NOPTS_VALUE) continue;
    const std::int64_t time = rescale(entry.timestamp + delay, stream.time_base) - film.origin_us;
    if (entry.pos >= 0 && static_cast<std::uint64_t>(entry.pos) >= file_bytes) {   // the file's end is missing
      film.duration_us = std::min(film.duration_us, std::max<std::int64_t>(time, 0));
      break;
    }
    if (!keys.empty() && time <= keys.back().time_us) continue;
    keys.push_back({.time_us = time, .id = entry.timestamp, .position = entry.pos});
  }
  return covers(keys, film.duration_us) ? keys : std::vector<Key>{};
}

std::expected<FilmIndex, DemandError> read_index(Container& container, BlockCache& cache, const ScannedIndex* scanned) {
  auto film = read_tracks(container, cache);
  if (!film) return film;
  if (scanned != nullptr && film->positions_work) use_scanned(*film, *scanned, cache.size());
  if (!film->cuts.empty()) {
    if (container.is("mpeg")) film->id_slack = kGuessedTimesUs;
    return film;
  }

  film->seek_by = SeekBy::container_index;
  film->cuts = plan_cuts(container_keys(container, *film, cache.size()), film->duration_us);
  if (container.failure()) return std::unexpected{*container.failure()};
  if (!film->cuts.empty()) return film;

  film->seek_by = film->splice ? SeekBy::sync_search : SeekBy::demuxer_search;
  film->cuts = plan_equal_cuts(film->duration_us, film->has_video ? kSearchSegmentUs : kTargetSegmentUs);
  return film;
}

}  // namespace runnel::media_helper
