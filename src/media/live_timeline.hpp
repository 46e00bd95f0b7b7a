// The player's view of a live stream: CMAF chunks in order, gathered into parts and segments, with a DVR window.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "media/session_types.hpp"

namespace runnel::media {

struct Part {
  // Counts the parts of the whole timeline from 0, across segments: so the name of the next part is known before it is
  // (EXT-X-PRELOAD-HINT), whichever segment it will open or join.
  std::uint64_t number = 0;
  base::Duration duration{};
  bool independent = false;              // begins with an independent chunk
  bool complete = false;                 // only the very last part may still grow
  std::vector<MediaChunk> chunks;        // in order, never empty
};

struct Segment {
  std::uint64_t sequence = 0;            // EXT-X-MEDIA-SEQUENCE
  std::uint64_t discontinuities = 0;     // discontinuities so far, this segment's own included
  std::uint32_t epoch = 0;
  bool discontinuity = false;            // first of its epoch, or after a gap; never the stream's very first segment
  bool complete = false;                 // only the last segment may still grow
  base::Duration start{};                // media time of its first chunk
  base::Duration duration{};
  base::WallTime program_date{};         // capture time of its first chunk
  std::size_t bytes = 0;                 // of its chunks
  std::vector<Part> parts;               // never empty
};

// Limits: `window` of media, and never more than `max_bytes` (chunks and what it costs to keep them), kMaxSegments.
// One owner, the service thread. Chunks come from a stranger by way of a verified swarm: their content is signed, not sane.
class LiveTimeline {
 public:
  struct Config {
    base::Duration window = std::chrono::seconds{60};
    base::Duration target_part = std::chrono::milliseconds{200};
    base::Duration target_segment = std::chrono::seconds{1};   // cut at the first independent chunk past it
    std::size_t max_bytes = 256U << 20;
  };

  // A caster that begins an epoch with every chunk makes many short segments.
  static constexpr std::size_t kMaxSegments = 4096;
  // Cut even without an independent chunk. x264's own key frame interval is 250 frames: 10 s at 25 frames per second.
  static constexpr base::Duration kMaxSegment = std::chrono::seconds{16};
  // Media time may step by this much between chunks before it is a gap: more than the jitter of RTMP's millisecond
  // stamps and of a variable frame rate, less than any loss that a viewer would not notice.
  static constexpr base::Duration kGapTolerance = std::chrono::milliseconds{100};
  // An independent chunk this little before the target still cuts: 30 frames at 1/30 s rounded down stay below 1 s.
  static constexpr base::Duration kCutSlack = std::chrono::milliseconds{50};
  // What keeping one chunk costs besides its bytes.
  static constexpr std::size_t kChunkOverheadBytes = 192;
  // A chunk longer than this is not one (33 to 100 ms are made).
  static constexpr base::Duration kMaxChunk = std::chrono::seconds{10};
  // Program dates follow media time, so that neighbouring segments meet exactly (hls.js opens holes otherwise), until
  // the caster's clock is this far from it.
  static constexpr base::Duration kMaxClockDrift = std::chrono::seconds{1};

  explicit LiveTimeline(Config config);

  void add(const InitSegment& init);     // ignored unless its epoch is newer than all before
  // Dropped if it is not of the newest epoch, until the first independent one of the epoch, and after a gap in media time
  // until the next independent one. A chunk larger than max_bytes / 4 is dropped as well.
  void add(const MediaChunk& chunk);
  // The stream has ended: ENDLIST. A new epoch after it takes it back: the caster has returned.
  void end();

  [[nodiscard]] bool ended() const;
  [[nodiscard]] const std::deque<Segment>& segments() const;      // the last may be incomplete
  [[nodiscard]] const InitSegment* init(std::uint32_t epoch) const;
  [[nodiscard]] const InitSegment* newest_init() const;
  [[nodiscard]] base::Duration target_duration() const;           // longest segment so far, at least target_segment
  [[nodiscard]] base::Duration part_target() const;               // longest part so far, at least target_part
  [[nodiscard]] base::Duration buffered() const;                  // media held
  [[nodiscard]] std::size_t held_bytes() const;                   // against max_bytes
  [[nodiscard]] std::uint64_t next_part() const;                  // number of the next part to begin
  // Capture time of the end of the newest chunk, by the caster's clock; none before the first chunk.
  [[nodiscard]] std::optional<base::WallTime> newest_captured() const;
  [[nodiscard]] const Config& config() const;

  // Called after each change, until unsubscribed: blocking playlist reloads, live.ts. A listener may unsubscribe itself or
  // others, subscribe new ones (called from the next change on) and destroy the timeline from inside a callback.
  using Token = std::uint64_t;
  struct Listener {
    std::function<void()> on_change;                     // parts, segments or the end
    std::function<void(const InitSegment&)> on_init;     // each may be empty
    std::function<void(const MediaChunk&)> on_chunk;     // each chunk that was not dropped
  };
  Token subscribe(Listener listener);
  void unsubscribe(Token token);

 private:
  struct State;
  std::shared_ptr<State> state_;   // also held by add() and end() while listeners run
};

}  // namespace runnel::media
