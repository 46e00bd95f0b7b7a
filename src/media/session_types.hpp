// What media sessions hand out: tracks, CMAF initialisation segments and chunks, and an on-demand index.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"

namespace runnel::media {

enum class TrackKind : std::uint8_t { video, audio, subtitle };

struct TrackInfo {
  TrackKind kind = TrackKind::video;
  std::uint32_t number = 0;      // position among the tracks of its kind, from 0
  std::string codec;             // FFmpeg's name: "h264", "aac", "opus", ...
  std::string codecs;            // RFC 6381: "avc1.64001f", "mp4a.40.2"; of what is served, not of the source
  std::string language;          // BCP 47 or ISO 639-2; empty if unknown
  std::string title;
  std::uint32_t width = 0;       // pixels, video only
  std::uint32_t height = 0;
  double frame_rate = 0;
  std::uint32_t sample_rate = 0; // Hz, audio only
  std::uint32_t channels = 0;
  std::uint64_t bit_rate = 0;    // bits per second, 0 if unknown
  bool transcoded = false;       // served in another codec than the source's
};

// A CMAF header: ftyp + moov. Shared between all who hold it.
struct InitSegment {
  std::uint32_t epoch = 0;       // grows by one with each discontinuity (source restarted, codec parameters changed)
  std::vector<TrackInfo> tracks;
  std::shared_ptr<const base::Bytes> bytes;
};

// One CMAF chunk, moof + mdat, audio and video together, 33 to 100 ms.
struct MediaChunk {
  std::uint32_t epoch = 0;
  bool independent = false;      // starts with an IDR: a decoder may begin here
  base::Duration media_time{};   // decode time of its first video sample (audio when there is no video), within the epoch
  base::Duration duration{};
  base::WallTime captured{};     // when the source produced it, by the caster's clock
  std::shared_ptr<const base::Bytes> bytes;
};

// Segments of an on-demand film, cut on demand. Times are in the film's own time line from 0.
struct SegmentInfo {
  base::Duration start{};
  base::Duration duration{};
};
struct DemandIndex {
  base::Duration duration{};
  std::vector<TrackInfo> tracks;        // video, audio and text subtitle tracks that can be served
  std::vector<SegmentInfo> segments;    // the same cuts for every track, so that renditions line up
};

}  // namespace runnel::media
