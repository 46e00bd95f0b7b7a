// Pieces of playlist text shared by live and on-demand playlists.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "media/session_types.hpp"

namespace runnel::player {

std::string seconds_text(base::Duration duration);              // "1.001000"
// For EXT-X-TARGETDURATION: rounded to the nearest, as RFC 8216 4.3.3.1 compares it, and at least 1.
std::uint64_t target_seconds(base::Duration longest);
std::string date_text(base::WallTime time);                     // "2024-05-01T12:00:00.123Z"
// In quotes; what a quoted attribute must not hold (quotes, line ends, control characters, invalid UTF-8) is replaced.
std::string quoted(std::string_view text);
// Valid UTF-8 in any case: each byte that is not part of it becomes U+FFFD.
std::string valid_utf8(std::string_view text);
// ,CODECS="..." of all tracks named by all of `tracks`; empty if one of them is unknown.
std::string codecs_attribute(const std::vector<media::TrackInfo>& tracks);
// ,RESOLUTION=...,FRAME-RATE=... of a video track, as far as known.
std::string picture_attributes(const media::TrackInfo& video);

}  // namespace runnel::player
