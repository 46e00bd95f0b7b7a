// One segment of one track of a film, cut when it is asked for.
#pragma once
#include <cstdint>
#include <expected>
#include <vector>

#include "media_helper/film_reader.hpp"
#include "media_helper/fragment_writer.hpp"
#include "media_helper/silence.hpp"

namespace runnel::media_helper {

// What a segment may have in bytes of media: a message to the node holds it (helper::kMaxMessage), with room for its boxes.
constexpr std::size_t kMaxSegmentBytes = 60U << 20;
constexpr std::size_t kMaxSegmentSamples = 1U << 18;
// Tracks are interleaved; a packet of another track so much later than a segment's end means that nothing more comes.
constexpr std::int64_t kMaxInterleaveUs = 10'000'000;

// The packets of a video segment, in decode order.
struct VideoPackets {
  std::vector<Packet> own;                 // from the segment's key frame on; empty: the track has nothing there
  // The next segment's key frame and the pictures shown before it (an open group of pictures). They need what is in `own` to be
  // decoded. Only where there are such pictures.
  std::vector<Packet> leading;
  std::optional<std::int64_t> next_key;    // when that key frame is shown, in the stream's time base; nullopt at the film's end
  std::optional<std::int64_t> end;         // when the first picture after `own` is shown
};
// From the key frame of cut `number` to the one of the next cut, or to the end. Where the film is cut without knowing its key
// frames and none lies in the segment: the group of pictures that covers its start.
std::expected<VideoPackets, DemandError> collect_video(FilmReader& reader, int stream, std::size_t number);

struct CutSegment {
  Samples samples;                // may be empty: the track has nothing there
  std::int64_t decode_time = 0;   // of the first sample, in the track's timescale
};

// Packets passed through.
std::expected<CutSegment, DemandError> cut_video(FilmReader& reader, int stream, std::int32_t timescale, std::size_t number);
// The packets that begin between two cuts. Holes are filled with `silent`, if there is such a frame.
std::expected<CutSegment, DemandError> cut_audio(FilmReader& reader, int stream, std::int32_t timescale, std::size_t number,
                                                 const SilentFrame* silent);

bool is_far_beyond(const FilmReader& reader, const AVPacket& packet, std::int64_t end_us);
// When a packet is shown, else when it is decoded; AV_NOPTS_VALUE if neither is known.
inline std::int64_t stamp(const AVPacket& packet) { return packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts; }
// Film time in a track's timescale of a time stamp of the stream.
std::int64_t to_timescale(const FilmReader& reader, int stream, std::int64_t time_stamp, std::int32_t timescale);
// One frame's time in the timescale, at least 1: what the packet says, else what the stream says, else a twenty-fifth of a second.
std::int64_t frame_ticks(const StreamFacts& stream, const AVPacket& packet, std::int32_t timescale);
// An audio time stamp that the container rounded, put back on the grid of frames of `frame` ticks that begins with the track.
std::int64_t on_grid(const FilmReader& reader, int stream, std::int64_t time, std::int64_t frame, std::int32_t timescale);

}  // namespace runnel::media_helper
