// A film that is cut into CMAF segments while it is watched.
#pragma once
#include <cstdint>
#include <expected>
#include <memory>
#include <vector>

#include "media/session_types.hpp"
#include "media_helper/film_reader.hpp"

namespace runnel::media_helper {

// One owner, one thread; calls block while they read and convert. The reader given outlives it.
class Film {
 public:
  // Errors: cancelled, read_failed, not_media, truncated, no_tracks.
  static std::expected<std::unique_ptr<Film>, DemandError> open(RandomReader& reader, FilmReader::Options options);
  ~Film();

  [[nodiscard]] const media::DemandIndex& index() const { return index_; }
  // "video/mp4", ...
  [[nodiscard]] const std::string& mime() const { return reader_->mime(); }
  // True if cuts are only approximate for want of an index.
  [[nodiscard]] bool wants_index() const;
  // ftyp + moov. Errors: no_such_track (subtitles have none), encoder.
  [[nodiscard]] std::expected<base::Bytes, DemandError> init(std::uint32_t track);
  // moof + mdat, or a WebVTT document. After cancelled and read_failed the next call begins anew.
  // Errors: no_such_track, no_such_segment, cancelled, read_failed, corrupt, too_large, encoder.
  [[nodiscard]] std::expected<base::Bytes, DemandError> segment(std::uint32_t track, std::uint32_t number);

 private:
  class Track;
  class CopyVideo;
  class CopyAudio;
  class TextTrack;
  template <class Transcoder>
  class ConvertedTrack;
  Film();
  void make_tracks();
  // nullptr if the track cannot be served. Completes `info` with what is served.
  std::unique_ptr<Track> make_track(const SourceTrack& source, media::TrackInfo& info);
  template <class Transcoder>
  std::unique_ptr<Track> convert(int stream, media::TrackInfo& info);

  std::unique_ptr<FilmReader> reader_;
  std::vector<std::unique_ptr<Track>> tracks_;
  media::DemandIndex index_;
};

}  // namespace runnel::media_helper
