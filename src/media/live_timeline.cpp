#include "media/live_timeline.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.hpp"

namespace runnel::media {
namespace {

// Beyond these a sum of times could overflow; no real stream comes near (31 years of media, the year 2200).
constexpr base::Duration kMaxMediaTime = std::chrono::seconds{1'000'000'000};
constexpr base::WallTime kMaxWallTime{std::chrono::seconds{7'258'118'400}};

bool plausible(const MediaChunk& chunk) {
  return chunk.bytes && !chunk.bytes->empty() && chunk.duration.count() > 0 && chunk.duration <= LiveTimeline::kMaxChunk &&
         chunk.media_time <= kMaxMediaTime && chunk.media_time >= -kMaxMediaTime && chunk.captured.time_since_epoch().count() >= 0 &&
         chunk.captured <= kMaxWallTime;
}

std::size_t cost(const MediaChunk& chunk) { return chunk.bytes->size() + LiveTimeline::kChunkOverheadBytes; }

std::size_t cost(const Segment& segment) {
  std::size_t chunks = 0;
  for (const Part& part : segment.parts) chunks += part.chunks.size();
  return segment.bytes + chunks * LiveTimeline::kChunkOverheadBytes;
}

base::Duration distance(base::Duration a, base::Duration b) { return a < b ? b - a : a - b; }

}  // namespace

struct LiveTimeline::State {
  Config config;
  std::deque<Segment> segments;
  std::map<std::uint32_t, InitSegment> inits;   // the newest, and those that a kept segment needs
  bool ended = false;
  std::size_t bytes = 0;
  base::Duration buffered{};
  base::Duration longest_segment{};
  base::Duration longest_part{};
  std::uint64_t next_sequence = 0;
  std::uint64_t next_part = 0;
  std::uint64_t discontinuities = 0;
  bool break_pending = false;                    // the next segment is a discontinuity
  bool need_independent = true;
  std::optional<base::Duration> expected;        // media time at which the next chunk continues the last
  std::optional<base::WallTime> newest_captured;
  // Program date = anchor_date + (media time - anchor_media).
  base::WallTime anchor_date{};
  base::Duration anchor_media{};
  bool anchored = false;

  std::map<Token, std::shared_ptr<const Listener>> listeners;
  Token next_token = 1;

  [[nodiscard]] Segment* open_segment() { return segments.empty() || segments.back().complete ? nullptr : &segments.back(); }
  void close_part();
  void close_segment();
  void break_off();
  bool must_cut(const Segment& open, const MediaChunk& chunk) const;
  void begin_segment(const MediaChunk& chunk);
  void append(Segment& segment, const MediaChunk& chunk);
  base::WallTime program_date(const MediaChunk& chunk);
  void evict();
  void drop_unused_inits();
};

void LiveTimeline::State::close_part() {
  Segment* segment = open_segment();
  if (segment == nullptr || segment->parts.back().complete) return;
  segment->parts.back().complete = true;
  longest_part = std::max(longest_part, segment->parts.back().duration);
}

void LiveTimeline::State::close_segment() {
  Segment* segment = open_segment();
  if (segment == nullptr) return;
  close_part();
  segment->complete = true;
  longest_segment = std::max(longest_segment, segment->duration);
}

void LiveTimeline::State::break_off() {
  close_segment();
  break_pending = next_sequence > 0;
  need_independent = true;
  expected.reset();
  anchored = false;
}

bool LiveTimeline::State::must_cut(const Segment& open, const MediaChunk& chunk) const {
  const base::Duration length = chunk.media_time - open.start;
  if (chunk.independent && length + kCutSlack >= config.target_segment) return true;
  return length >= kMaxSegment || cost(open) + cost(chunk) > config.max_bytes / 4;
}

base::WallTime LiveTimeline::State::program_date(const MediaChunk& chunk) {
  const base::WallTime steady = anchor_date + (chunk.media_time - anchor_media);
  if (anchored && distance(steady.time_since_epoch(), chunk.captured.time_since_epoch()) <= kMaxClockDrift) return steady;
  anchored = true;
  anchor_date = chunk.captured;
  anchor_media = chunk.media_time;
  return chunk.captured;
}

void LiveTimeline::State::begin_segment(const MediaChunk& chunk) {
  Segment segment;
  segment.sequence = next_sequence++;
  segment.epoch = chunk.epoch;
  segment.discontinuity = std::exchange(break_pending, false);
  if (segment.discontinuity) ++discontinuities;
  segment.discontinuities = discontinuities;
  segment.start = chunk.media_time;
  segment.program_date = program_date(chunk);
  segments.push_back(std::move(segment));
}

void LiveTimeline::State::append(Segment& segment, const MediaChunk& chunk) {
  const bool joins = !segment.parts.empty() && !segment.parts.back().complete;
  // A part that a player may start at must start with the independent chunk.
  if (joins && chunk.independent && !segment.parts.back().independent) close_part();
  if (segment.parts.empty() || segment.parts.back().complete) {
    Part part;
    part.number = next_part++;
    part.independent = chunk.independent;
    segment.parts.push_back(std::move(part));
  }
  Part& part = segment.parts.back();
  part.chunks.push_back(chunk);
  part.duration += chunk.duration;
  segment.bytes += chunk.bytes->size();
  buffered -= segment.duration;
  segment.duration = std::max(segment.duration, chunk.media_time + chunk.duration - segment.start);
  buffered += segment.duration;
  bytes += cost(chunk);
  // Closed when another chunk like this one would overshoot the target by more than the part now falls short of it.
  if (part.duration + chunk.duration / 2 > config.target_part) close_part();
}

void LiveTimeline::State::evict() {
  while (segments.size() > 1) {
    const Segment& oldest = segments.front();
    if (buffered - oldest.duration < config.window && bytes <= config.max_bytes && segments.size() <= kMaxSegments) break;
    bytes -= cost(oldest);
    buffered -= oldest.duration;
    segments.pop_front();
  }
  drop_unused_inits();
}

// Epochs only grow along the segments.
void LiveTimeline::State::drop_unused_inits() {
  const std::uint32_t newest = inits.rbegin()->first;
  while (inits.begin()->first != newest && (segments.empty() || inits.begin()->first < segments.front().epoch)) inits.erase(inits.begin());
}

LiveTimeline::LiveTimeline(Config config) : state_(std::make_shared<State>()) {
  base::check(config.max_bytes > 0 && config.target_part.count() > 0 && config.target_segment >= config.target_part, "timeline limits");
  state_->config = config;
}

namespace {

// Calls `call` on each listener that is still subscribed; `state` is held, since a listener may destroy the timeline.
template <class State, class Call>
void tell(const std::shared_ptr<State> state, Call call) {
  std::vector<LiveTimeline::Token> tokens;
  tokens.reserve(state->listeners.size());
  for (const auto& [token, listener] : state->listeners) tokens.push_back(token);
  for (const LiveTimeline::Token token : tokens) {
    const auto found = state->listeners.find(token);
    if (found == state->listeners.end()) continue;
    const auto listener = found->second;
    call(*listener);
  }
}

}  // namespace

void LiveTimeline::add(const InitSegment& init) {
  State& s = *state_;
  if (!init.bytes || init.bytes->empty()) return;
  if (!s.inits.empty() && init.epoch <= s.inits.rbegin()->first) return;
  s.break_off();
  s.ended = false;
  // The last epoch may have ended before a chunk of it came.
  const bool unused = !s.inits.empty() && (s.segments.empty() || s.segments.back().epoch != s.inits.rbegin()->first);
  if (unused) s.inits.erase(std::prev(s.inits.end()));
  s.inits.emplace(init.epoch, init);
  const auto state = state_;
  tell(state, [&](const Listener& l) {
    if (l.on_init) l.on_init(init);
  });
  tell(state, [](const Listener& l) {
    if (l.on_change) l.on_change();
  });
}

void LiveTimeline::add(const MediaChunk& chunk) {
  State& s = *state_;
  if (s.ended || s.inits.empty() || chunk.epoch != s.inits.rbegin()->first) return;
  if (!plausible(chunk) || cost(chunk) > s.config.max_bytes / 4) return;
  if (s.expected && distance(chunk.media_time, *s.expected) > kGapTolerance) s.break_off();
  if (s.need_independent && !chunk.independent) return;
  s.need_independent = false;
  const Segment* open = s.open_segment();
  if (open != nullptr && s.must_cut(*open, chunk)) s.close_segment();
  if (s.open_segment() == nullptr) s.begin_segment(chunk);
  s.append(s.segments.back(), chunk);
  s.expected = chunk.media_time + chunk.duration;
  s.newest_captured = chunk.captured + chunk.duration;
  s.evict();
  const auto state = state_;
  tell(state, [&](const Listener& l) {
    if (l.on_chunk) l.on_chunk(chunk);
  });
  tell(state, [](const Listener& l) {
    if (l.on_change) l.on_change();
  });
}

void LiveTimeline::end() {
  if (state_->ended) return;
  state_->break_off();
  state_->ended = true;
  tell(state_, [](const Listener& l) {
    if (l.on_change) l.on_change();
  });
}

bool LiveTimeline::ended() const { return state_->ended; }
const std::deque<Segment>& LiveTimeline::segments() const { return state_->segments; }

const InitSegment* LiveTimeline::init(std::uint32_t epoch) const {
  const auto found = state_->inits.find(epoch);
  return found == state_->inits.end() ? nullptr : &found->second;
}

const InitSegment* LiveTimeline::newest_init() const { return state_->inits.empty() ? nullptr : &state_->inits.rbegin()->second; }
base::Duration LiveTimeline::target_duration() const { return std::max(state_->longest_segment, state_->config.target_segment); }
base::Duration LiveTimeline::part_target() const { return std::max(state_->longest_part, state_->config.target_part); }
base::Duration LiveTimeline::buffered() const { return state_->buffered; }
std::size_t LiveTimeline::held_bytes() const { return state_->bytes; }
std::uint64_t LiveTimeline::next_part() const { return state_->next_part; }
std::optional<base::WallTime> LiveTimeline::newest_captured() const { return state_->newest_captured; }
const LiveTimeline::Config& LiveTimeline::config() const { return state_->config; }

LiveTimeline::Token LiveTimeline::subscribe(Listener listener) {
  const Token token = state_->next_token++;
  state_->listeners.emplace(token, std::make_shared<const Listener>(std::move(listener)));
  return token;
}

void LiveTimeline::unsubscribe(Token token) { state_->listeners.erase(token); }

}  // namespace runnel::media
