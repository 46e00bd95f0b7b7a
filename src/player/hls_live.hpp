// HLS and low-latency HLS playlists of a live stream (RFC 8216bis). Pure text, from the timeline.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "media/live_timeline.hpp"

namespace runnel::player {

// A player may begin: there is a complete segment.
bool live_playable(const media::LiveTimeline& timeline);

// One variant, live.m3u8. `timeline` is playable.
std::string live_master_playlist(const media::LiveTimeline& timeline);
// `delta`: without the older segments, for a client that has listed them before (_HLS_skip, RFC 8216bis 6.2.5.1).
enum class PlaylistForm : std::uint8_t { full, delta };
// Segments init-EPOCH.mp4, seg-SEQUENCE.m4s, part-NUMBER.m4s beside it. `timeline` is playable.
std::string live_media_playlist(const media::LiveTimeline& timeline, PlaylistForm form);

// A blocking reload: the playlist is wanted once it holds that segment, or that part of it (RFC 8216bis 6.2.5.2).
struct ReloadTarget {
  std::uint64_t segment = 0;          // _HLS_msn
  std::optional<std::uint64_t> part;  // _HLS_part, from 0 within the segment
};
enum class ReloadState : std::uint8_t { ready, wait, too_far };
ReloadState reload_state(const media::LiveTimeline& timeline, const ReloadTarget& target);

// nullptr if it has left the window or never was; a segment may be incomplete, a part too.
const media::Segment* find_segment(const media::LiveTimeline& timeline, std::uint64_t sequence);
const media::Part* find_part(const media::LiveTimeline& timeline, std::uint64_t number);

}  // namespace runnel::player
