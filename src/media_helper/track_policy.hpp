// Which tracks of a container are served, and how: as they are where browsers play them in CMAF, converted where they do not.
#pragma once
#include <vector>

#include "media/session_types.hpp"
#include "media_helper/container.hpp"

namespace runnel::media_helper {

enum class Delivery : std::uint8_t {
  copy,        // the packets pass through
  transcode,   // to H.264 or AAC
  text,        // to WebVTT
};

struct SourceTrack {
  int stream = 0;   // in the container
  Delivery delivery = Delivery::copy;
  media::TrackInfo info;
};

constexpr std::size_t kMaxServedTracks = 64;   // the limit of the messages to the node (helper::kMaxTracks)

// The best video track, all audio tracks and all text subtitles, in this order. Cover pictures, bitmap subtitles and what
// FFmpeg cannot decode are left out. `codecs` of transcoded
// tracks is left empty.
std::vector<SourceTrack> choose_tracks(Container& container);

// True if the container's header says all that choose_tracks() and an initialisation segment need, so that no packet must be read.
bool header_is_enough(Container& container);

// "video/mp4", ...; `head` is the file's first bytes.
std::string mime_type(Container& container, bool has_video, base::ByteView head);

}  // namespace runnel::media_helper
