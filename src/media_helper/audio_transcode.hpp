// Audio that browsers do not play, to AAC-LC: one segment at a time, joining without a gap.
#pragma once
#include <expected>
#include <memory>
#include <vector>

#include "media_helper/demand_segment.hpp"

namespace runnel::media_helper {

// AAC frames lie on a grid of 1024 samples that begins with the film, and a segment holds those frames that begin in it. The
// encoder is warmed up with the samples before, so that frames of neighbouring segments overlap as if encoded at one go.
class AudioTranscoder {
 public:
  // Errors: encoder.
  static std::expected<std::unique_ptr<AudioTranscoder>, DemandError> create(const StreamFacts& stream);
  [[nodiscard]] const AVCodecParameters& output() const { return *output_; }
  [[nodiscard]] std::int32_t timescale() const { return output_->sample_rate; }
  // Errors: cancelled, read_failed, corrupt, too_large, encoder.
  [[nodiscard]] std::expected<CutSegment, DemandError> cut(FilmReader& reader, int stream, std::size_t number);

  static constexpr std::int64_t kFrameSamples = 1024;

 private:
  AudioTranscoder() = default;
  Parameters output_;
  // The last packets that the previous segment read, to begin the next one with: decoders need a little of what was before.
  std::vector<Packet> tail_;
  std::size_t tail_for_ = 0;   // the segment that they are for; 0: none
};

}  // namespace runnel::media_helper
