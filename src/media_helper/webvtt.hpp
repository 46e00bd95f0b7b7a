// Text subtitles of any container as WebVTT documents, one per segment.
#pragma once
#include <expected>
#include <string>
#include <string_view>

#include "media_helper/film_reader.hpp"

namespace runnel::media_helper {

constexpr std::size_t kMaxCuesPerSegment = 4096;
constexpr std::size_t kMaxCueBytes = 16U << 10;

// The cues that are read between two cuts, with times of the film's own time line, which is that of the other tracks as well
// (X-TIMESTAMP-MAP, RFC 8216 3.5). Errors: cancelled, read_failed, corrupt.
std::expected<base::Bytes, DemandError> cut_text(FilmReader& reader, int stream, std::size_t number);

// "HH:MM:SS.mmm".
std::string vtt_time(std::int64_t time_us);
// The text of an ASS event ("ReadOrder,Layer,Style,Name,MarginL,MarginR,MarginV,Effect,Text"), which is what FFmpeg's decoders
// make of every text subtitle, as the text of a WebVTT cue: bold, italic and underline stay, all else is dropped, nothing in it is
// mistaken for markup.
std::string vtt_text(std::string_view ass_event);

}  // namespace runnel::media_helper
