// What can go wrong while a film is opened and cut.
#pragma once
#include <cstdint>
#include <string_view>

namespace runnel::media_helper {

enum class DemandError : std::uint8_t {
  cancelled,     // overtaken by a newer request
  read_failed,   // the input's bytes cannot be had
  not_media,     // no container that we know
  truncated,     // an MP4 without its moov: the end of the file is missing
  no_tracks,     // a container without a track that can be played
  no_such_track,
  no_such_segment,
  corrupt,       // the demuxer or a decoder gave up
  too_large,     // a segment beyond kMaxSegmentBytes
  encoder,       // an encoder could not be opened or failed
};

// For a user: what it means and what to do.
constexpr std::string_view message(DemandError error) {
  switch (error) {
    case DemandError::cancelled: return "overtaken by a newer request";
    case DemandError::read_failed: return "the film's bytes could not be read";
    case DemandError::not_media: return "not a media file that can be played here; the file itself can still be downloaded";
    case DemandError::truncated:
      return "this MP4 is incomplete: the part that describes it (moov) is missing, as after an interrupted recording or download; "
             "it is shared as a plain file";
    case DemandError::no_tracks: return "the file holds no video or audio that can be played here; it can still be downloaded";
    case DemandError::no_such_track: return "the film has no such track";
    case DemandError::no_such_segment: return "the film has no such segment";
    case DemandError::corrupt: return "this part of the film is damaged and cannot be played";
    case DemandError::too_large: return "this part of the film is too large to be played here (key frames too far apart)";
    case DemandError::encoder: return "this part of the film could not be converted for the browser";
  }
  return "";
}

}  // namespace runnel::media_helper
