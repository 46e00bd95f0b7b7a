// HLS playlists of an on-demand film (RFC 8216): a master with audio and subtitle groups, one VOD playlist per track.
#pragma once
#include <cstdint>
#include <string>

#include "media/session_types.hpp"

namespace runnel::player {

// `content_bytes`: size of the film's file; the bit rate where the tracks do not know theirs. Tracks are named track-N.m3u8,
// N the position in `index.tracks`.
std::string demand_master_playlist(const media::DemandIndex& index, std::uint64_t content_bytes);
// Segments track-N-SEGMENT.m4s (.vtt for subtitles) and track-N-init.mp4 beside it. `track` < index.tracks.size().
std::string demand_media_playlist(const media::DemandIndex& index, std::uint32_t track);

}  // namespace runnel::player
