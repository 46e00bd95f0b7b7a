// The player's view of a live stream: CMAF chunks in order, gathered into parts and segments, with a DVR window.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "media/session_types.hpp"

namespace runnel::media {

struct Part {
  base::Duration duration{};
  bool independent = false;
  std::vector<std::shared_ptr<const base::Bytes>> chunks;   // moof + mdat each, in order
};
struct Segment {
  std::uint64_t sequence = 0;            // EXT-X-MEDIA-SEQUENCE
  std::uint32_t epoch = 0;
  bool discontinuity = false;            // first of its epoch, or after a gap
  bool complete = false;
  base::Duration start{};                // media time of its first chunk
  base::Duration duration{};
  base::WallTime program_date{};         // capture time of its first chunk
  std::vector<Part> parts;
};

// Limits: `window` of media, and never more than `max_bytes`. One owner, the service thread.
class LiveTimeline {
 public:
  struct Config {
    base::Duration window = std::chrono::seconds{60};
    base::Duration target_part = std::chrono::milliseconds{200};
    base::Duration target_segment = std::chrono::seconds{1};   // cut at the first independent chunk past it
    std::size_t max_bytes = 256U << 20;
  };
  explicit LiveTimeline(Config config);

  void add(const InitSegment& init);
  void add(const MediaChunk& chunk);     // dropped until the first independent one of its epoch
  void end();                            // the stream has ended: ENDLIST

  [[nodiscard]] bool ended() const;
  [[nodiscard]] const std::deque<Segment>& segments() const;      // the last may be incomplete
  [[nodiscard]] const InitSegment* init(std::uint32_t epoch) const;
  [[nodiscard]] const InitSegment* newest_init() const;
  [[nodiscard]] base::Duration target_duration() const;           // longest segment so far, at least target_segment
  [[nodiscard]] const Config& config() const;

  // Called after each change, until unsubscribed: blocking playlist reloads, live.ts, the raw chunk stream.
  using Token = std::uint64_t;
  struct Listener {
    std::function<void()> on_change;                     // parts, segments or the end
    std::function<void(const InitSegment&)> on_init;     // each may be empty
    std::function<void(const MediaChunk&)> on_chunk;
  };
  Token subscribe(Listener listener);
  void unsubscribe(Token token);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace runnel::media
