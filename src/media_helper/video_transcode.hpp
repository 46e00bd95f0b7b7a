// Video that browsers do not play, to H.264: one segment at a time.
#pragma once
#include <expected>
#include <memory>

#include "media_helper/demand_segment.hpp"

namespace runnel::media_helper {

// Each segment is encoded for itself with the same settings, so that one header serves all, and begins with an IDR.
class VideoTranscoder {
 public:
  // Errors: encoder.
  static std::expected<std::unique_ptr<VideoTranscoder>, DemandError> create(const StreamFacts& stream);
  [[nodiscard]] const AVCodecParameters& output() const { return *output_; }
  [[nodiscard]] std::int32_t timescale() const { return kTimescale; }
  // Errors: cancelled, read_failed, corrupt, too_large, encoder.
  [[nodiscard]] std::expected<CutSegment, DemandError> cut(FilmReader& reader, int stream, std::size_t number);

  static constexpr std::int32_t kTimescale = 90'000;
  // Two cores decode 1080p HEVC, scale and encode 720p above real time.
  static constexpr int kMaxWidth = 1280;
  static constexpr int kMaxHeight = 720;

 private:
  VideoTranscoder() = default;
  AVRational frame_rate_{25, 1};
  Parameters source_;
  Parameters output_;
};

}  // namespace runnel::media_helper
