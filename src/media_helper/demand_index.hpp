// What a film is made of and where it is cut, learnt from as few bytes as its container allows.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "media_helper/container.hpp"
#include "media_helper/scanned_index.hpp"
#include "media_helper/segment_plan.hpp"
#include "media_helper/track_policy.hpp"

namespace runnel::media_helper {

// How a segment's place is found.
enum class SeekBy : std::uint8_t {
  container_index,   // the demuxer knows every key frame
  position,          // the scanned index tells where to read
  demuxer_search,    // the demuxer searches time stamps (transport and program streams, Ogg, raw audio)
  sync_search,       // we search for the start of a cluster or fragment (Matroska and fragmented MP4)
};

// Segments without any index: most films have a key frame at least so often.
constexpr std::int64_t kSearchSegmentUs = 10'000'000;

struct FilmIndex {
  std::vector<SourceTrack> tracks;
  int reference = 0;               // the stream that cuts are made in: video, or the first audio
  bool has_video = false;
  SeekBy seek_by = SeekBy::container_index;
  bool ids_are_decode_times = false;   // Key::id: in `container_index` a time stamp of the reference stream; else film time in us
  std::int64_t origin_us = 0;      // the container's time at film time 0
  std::int64_t duration_us = 0;
  std::vector<Key> cuts;           // at least one; the first at 0
  std::int64_t id_slack = 0;       // the same key frame's id may be so much less when it is met after a jump
  bool positions_work = false;     // reading may begin at a packet's position: a scan is of use
  std::optional<SpliceKind> splice;    // the demuxer must be opened anew to go elsewhere
  std::uint64_t header_bytes = 0;      // for splices

  // Film time of a packet of this stream, in microseconds; nullopt if it has no time stamp.
  [[nodiscard]] std::optional<std::int64_t> time_us(const AVPacket& packet, AVRational time_base) const;
  // What Key::id of a key frame in this packet is.
  [[nodiscard]] std::optional<std::int64_t> id(const AVPacket& packet, AVRational time_base) const;
  // True for a key frame that cut `number`, or a later one, begins with.
  [[nodiscard]] bool is_at_or_after(std::optional<std::int64_t> id, std::size_t number) const {
    return id && *id >= cuts[number].id - id_slack;
  }
  // End of segment `number` in film time: the next cut's, or a time beyond all media for the last.
  [[nodiscard]] std::int64_t end_us(std::size_t number) const;
};

struct TopLevelBox {
  std::uint64_t size = 0;   // 0: to the end of the file
  std::string type;
};
// The head of an MP4 box; nullopt at the end of the file.
std::expected<std::optional<TopLevelBox>, DemandError> read_top_level_box(BlockCache& cache, std::uint64_t at);

// Whether an MP4 is fragmented, and then where its first fragment begins.
std::expected<std::optional<std::uint64_t>, DemandError> find_first_fragment(BlockCache& cache);

// Opens a film of any kind, reading its header, and packets only where the header does not say enough.
std::expected<std::unique_ptr<Container>, DemandError> open_film(BlockCache& cache, const std::string& name);

// Key frames as the container tells them; empty where it does not, or not for the whole film. Where the file ends before what its
// index names, the film's duration is cut to what is there.
std::vector<Key> container_keys(Container& container, FilmIndex& film, std::uint64_t file_bytes);

// `scanned` may be null. Errors: those of Container, no_tracks.
std::expected<FilmIndex, DemandError> read_index(Container& container, BlockCache& cache, const ScannedIndex* scanned);

// Tracks, times and the stream to cut in; no cuts yet.
std::expected<FilmIndex, DemandError> read_tracks(Container& container, BlockCache& cache);

}  // namespace runnel::media_helper
