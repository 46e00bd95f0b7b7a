#include "player/hls_live.hpp"

#include <algorithm>

#include "player/hls_text.hpp"

namespace runnel::player {
namespace {

using media::LiveTimeline;
using media::Part;
using media::Segment;

// Parts are listed for this many newest segments (RFC 8216bis 6.2.2: they may go three target durations behind the end).
constexpr std::size_t kSegmentsWithParts = 4;
// A player stays this many part targets behind the end (4.4.3.8: at least two, three recommended).
constexpr int kHoldBackParts = 3;
// A delta update leaves out what is farther from the end than this many target durations (4.4.3.8: at least six).
constexpr int kSkipTargets = 6;
// A client may ask for at most this many segments past the newest (6.2.5.2).
constexpr std::uint64_t kMaxSegmentsAhead = 2;
constexpr std::uint64_t kUnknownBandwidth = 1'000'000;

const Segment* last_complete(const LiveTimeline& timeline) {
  const auto& segments = timeline.segments();
  for (auto it = segments.rbegin(); it != segments.rend(); ++it)
    if (it->complete) return &*it;
  return nullptr;
}

std::size_t complete_parts(const Segment& segment) { return segment.parts.size() - (segment.parts.back().complete ? 0 : 1); }

std::string part_name(std::uint64_t number) { return "part-" + std::to_string(number) + ".m4s"; }

std::chrono::seconds skip_boundary(const LiveTimeline& timeline) {
  return std::chrono::seconds{target_seconds(timeline.target_duration())} * kSkipTargets;
}

// How much of it a playlist lists.
base::Duration listed_duration(const Segment& segment) {
  if (segment.complete) return segment.duration;
  base::Duration sum{};
  for (std::size_t i = 0; i < complete_parts(segment); ++i) sum += segment.parts[i].duration;
  return sum;
}

// The number of oldest segments that a delta update leaves out (6.2.5.1).
std::size_t skipped_segments(const LiveTimeline& timeline) {
  const auto& segments = timeline.segments();
  base::Duration after{};   // from the end of the segment before `first` to that of the playlist
  std::size_t first = segments.size();
  while (first > 0 && after <= skip_boundary(timeline)) after += listed_duration(segments[--first]);
  return first;
}

std::string head(const LiveTimeline& timeline, std::size_t skipped) {
  const Segment& first = timeline.segments().front();
  const bool independent = std::ranges::all_of(timeline.segments(), [](const Segment& s) { return s.parts.front().independent; });
  std::string text = "#EXTM3U\n#EXT-X-VERSION:" + std::string{skipped > 0 ? "9" : "6"} + '\n';   // 8: EXT-X-SKIP needs 9
  if (independent) text += "#EXT-X-INDEPENDENT-SEGMENTS\n";
  text += "#EXT-X-TARGETDURATION:" + std::to_string(target_seconds(timeline.target_duration())) + '\n';
  text += "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=" + seconds_text(skip_boundary(timeline)) +
          ",PART-HOLD-BACK=" + seconds_text(timeline.part_target() * kHoldBackParts) + '\n';
  text += "#EXT-X-PART-INF:PART-TARGET=" + seconds_text(timeline.part_target()) + '\n';
  text += "#EXT-X-MEDIA-SEQUENCE:" + std::to_string(first.sequence) + '\n';
  // The first listed segment's own discontinuity tag is still in the playlist and so not yet counted here (4.4.3.3).
  text += "#EXT-X-DISCONTINUITY-SEQUENCE:" + std::to_string(first.discontinuities - (first.discontinuity ? 1 : 0)) + '\n';
  if (skipped > 0) text += "#EXT-X-SKIP:SKIPPED-SEGMENTS=" + std::to_string(skipped) + '\n';
  return text;
}

void add_part(std::string& text, const Part& part) {
  text += "#EXT-X-PART:DURATION=" + seconds_text(part.duration) + ",URI=\"" + part_name(part.number) + '"';
  if (part.independent) text += ",INDEPENDENT=YES";
  text += '\n';
}

void add_segment(std::string& text, const Segment& segment, bool with_parts) {
  text += "#EXT-X-PROGRAM-DATE-TIME:" + date_text(segment.program_date) + '\n';
  if (with_parts)
    for (std::size_t i = 0; i < complete_parts(segment); ++i) add_part(text, segment.parts[i]);
  if (!segment.complete) return;
  text += "#EXTINF:" + seconds_text(segment.duration) + ",\nseg-" + std::to_string(segment.sequence) + ".m4s\n";
}

// The part that is being gathered, or that comes next.
std::uint64_t hinted_part(const LiveTimeline& timeline) {
  const auto& segments = timeline.segments();
  const bool growing = !segments.empty() && !segments.back().complete && !segments.back().parts.back().complete;
  return growing ? segments.back().parts.back().number : timeline.next_part();
}

}  // namespace

bool live_playable(const LiveTimeline& timeline) { return last_complete(timeline) != nullptr; }

std::string live_master_playlist(const LiveTimeline& timeline) {
  std::uint64_t peak = 0;
  for (const Segment& s : timeline.segments())
    if (s.complete && s.duration.count() > 0) peak = std::max(peak, s.bytes * 8'000'000 / static_cast<std::uint64_t>(s.duration.count()));
  const Segment& newest = *last_complete(timeline);
  const media::InitSegment* init = timeline.init(newest.epoch);
  std::string text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n";
  text += "#EXT-X-STREAM-INF:BANDWIDTH=" + std::to_string(peak > 0 ? peak : kUnknownBandwidth);
  if (init != nullptr) {
    text += codecs_attribute(init->tracks);
    const auto video = std::ranges::find(init->tracks, media::TrackKind::video, &media::TrackInfo::kind);
    if (video != init->tracks.end()) text += picture_attributes(*video);
  }
  return text + "\nlive.m3u8\n";
}

std::string live_media_playlist(const LiveTimeline& timeline, PlaylistForm form) {
  const auto& segments = timeline.segments();
  const std::size_t skipped = form == PlaylistForm::delta ? skipped_segments(timeline) : 0;
  std::string text = head(timeline, skipped);
  std::optional<std::uint32_t> epoch;   // none yet: the first segment that is listed names its MAP, whatever was skipped
  for (std::size_t i = skipped; i < segments.size(); ++i) {
    const Segment& segment = segments[i];
    // A segment without one whole part has nothing to show yet.
    if (!segment.complete && complete_parts(segment) == 0) break;
    if (segment.discontinuity) text += "#EXT-X-DISCONTINUITY\n";
    if (epoch != segment.epoch) text += "#EXT-X-MAP:URI=\"init-" + std::to_string(segment.epoch) + ".mp4\"\n";
    epoch = segment.epoch;
    add_segment(text, segment, i + kSegmentsWithParts >= segments.size());
  }
  if (timeline.ended()) return text + "#EXT-X-ENDLIST\n";
  return text + "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"" + part_name(hinted_part(timeline)) + "\"\n";
}

ReloadState reload_state(const LiveTimeline& timeline, const ReloadTarget& target) {
  const auto& segments = timeline.segments();
  if (timeline.ended() || segments.empty()) return ReloadState::ready;
  const Segment& last = segments.back();
  const bool listed = last.complete || complete_parts(last) > 0;   // else the playlist still ends with the segment before
  if (target.segment > last.sequence + kMaxSegmentsAhead - (listed ? 0 : 1)) return ReloadState::too_far;
  if (target.segment < last.sequence) return ReloadState::ready;
  if (target.segment > last.sequence) return ReloadState::wait;
  if (last.complete) {
    // A part past the segment's last means the next segment's first (6.2.5.2).
    return !target.part || *target.part < last.parts.size() ? ReloadState::ready : ReloadState::wait;
  }
  return target.part && *target.part < complete_parts(last) ? ReloadState::ready : ReloadState::wait;
}

const Segment* find_segment(const LiveTimeline& timeline, std::uint64_t sequence) {
  const auto& segments = timeline.segments();
  if (segments.empty() || sequence < segments.front().sequence || sequence > segments.back().sequence) return nullptr;
  return &segments[sequence - segments.front().sequence];
}

const Part* find_part(const LiveTimeline& timeline, std::uint64_t number) {
  const auto& segments = timeline.segments();
  const auto after = std::ranges::upper_bound(segments, number, {}, [](const Segment& s) { return s.parts.front().number; });
  if (after == segments.begin()) return nullptr;
  const Segment& segment = *std::prev(after);
  const std::uint64_t index = number - segment.parts.front().number;
  return index < segment.parts.size() ? &segment.parts[index] : nullptr;
}

}  // namespace runnel::player
