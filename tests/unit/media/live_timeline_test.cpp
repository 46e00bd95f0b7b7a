#include "media/live_timeline.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <numeric>
#include <set>

namespace runnel::media {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr base::WallTime kStart{seconds{1'700'000'000}};

InitSegment make_init(std::uint32_t epoch, std::size_t size = 100) { return {epoch, {}, std::make_shared<const base::Bytes>(size)}; }

struct ChunkSpec {
  std::uint32_t epoch = 0;
  milliseconds at{0};
  milliseconds length{100};
  bool independent = false;
  std::size_t size = 1000;
};
MediaChunk make_chunk(const ChunkSpec& spec) {
  MediaChunk chunk;
  chunk.epoch = spec.epoch;
  chunk.independent = spec.independent;
  chunk.media_time = spec.at;
  chunk.duration = spec.length;
  chunk.captured = kStart + spec.at;
  chunk.bytes = std::make_shared<const base::Bytes>(spec.size);
  return chunk;
}

// `count` chunks of 100 ms from `first` on, each `gop`th independent.
void feed(LiveTimeline& timeline, std::uint32_t epoch, int first, int count, int gop = 10) {
  for (int i = first; i < first + count; ++i)
    timeline.add(make_chunk({.epoch = epoch, .at = milliseconds{100 * i}, .independent = i % gop == 0}));
}

base::Duration total(const LiveTimeline& timeline) {
  base::Duration sum{};
  for (const Segment& s : timeline.segments()) sum += s.duration;
  return sum;
}

TEST(LiveTimeline, drops_chunks_before_the_first_init_and_before_the_first_independent_one) {
  LiveTimeline timeline{{}};
  timeline.add(make_chunk({.independent = true}));
  EXPECT_TRUE(timeline.segments().empty());
  timeline.add(make_init(0));
  timeline.add(make_chunk({.at = milliseconds{100}}));
  EXPECT_TRUE(timeline.segments().empty());
  timeline.add(make_chunk({.at = milliseconds{200}, .independent = true}));
  ASSERT_EQ(timeline.segments().size(), 1U);
  EXPECT_EQ(timeline.segments()[0].start, milliseconds{200});
  EXPECT_EQ(timeline.segments()[0].program_date, kStart + milliseconds{200});
}

TEST(LiveTimeline, cuts_at_the_first_independent_chunk_past_the_target) {
  LiveTimeline timeline{{}};
  timeline.add(make_init(0));
  feed(timeline, 0, 0, 45, 7);   // independent at 0, 0.7, 1.4, 2.1, 2.8, 3.5, 4.2 s
  ASSERT_EQ(timeline.segments().size(), 4U);
  EXPECT_EQ(timeline.segments()[1].start, milliseconds{1400});
  EXPECT_EQ(timeline.segments()[2].start, milliseconds{2800});
  EXPECT_EQ(timeline.segments()[3].start, milliseconds{4200});
  EXPECT_TRUE(timeline.segments()[2].complete);
  EXPECT_FALSE(timeline.segments()[3].complete);
  EXPECT_EQ(timeline.segments()[0].duration, milliseconds{1400});
  EXPECT_EQ(timeline.target_duration(), milliseconds{1400});
}

TEST(LiveTimeline, cuts_a_group_of_pictures_that_rounding_left_a_little_short) {
  LiveTimeline timeline{{}};
  timeline.add(make_init(0));
  for (int i = 0; i < 61; ++i) {
    MediaChunk chunk = make_chunk({.independent = i % 30 == 0});
    chunk.media_time = base::Duration{i * 33'333};
    chunk.duration = base::Duration{33'333};
    timeline.add(chunk);
  }
  ASSERT_EQ(timeline.segments().size(), 3U);
  EXPECT_EQ(timeline.segments()[0].duration, base::Duration{30 * 33'333});
}

TEST(LiveTimeline, cuts_without_an_independent_chunk_at_the_longest_segment) {
  LiveTimeline timeline{{.window = seconds{120}}};
  timeline.add(make_init(0));
  feed(timeline, 0, 0, 400, 1000);
  ASSERT_EQ(timeline.segments().size(), 3U);
  EXPECT_EQ(timeline.segments()[0].duration, base::Duration{LiveTimeline::kMaxSegment});
  EXPECT_FALSE(timeline.segments()[1].parts[0].independent);
}

TEST(LiveTimeline, gathers_parts_near_the_target_whatever_the_chunks) {
  for (const int chunk_us : {20'000, 33'333, 33'367, 40'000, 48'000, 60'000, 66'733, 83'417, 100'000}) {
    LiveTimeline timeline{{}};
    timeline.add(make_init(0));
    for (int i = 0; i < 200; ++i) {
      MediaChunk chunk = make_chunk({.independent = i == 0});
      chunk.media_time = base::Duration{i * chunk_us};
      chunk.duration = base::Duration{chunk_us};
      timeline.add(chunk);
    }
    const auto& parts = timeline.segments().front().parts;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      EXPECT_GE(parts[i].duration, milliseconds{150}) << chunk_us;
      EXPECT_LE(parts[i].duration, milliseconds{250}) << chunk_us;
      EXPECT_LE(parts[i].duration, timeline.part_target()) << chunk_us;
    }
  }
}

TEST(LiveTimeline, begins_a_part_with_each_independent_chunk_after_dependent_ones) {
  LiveTimeline timeline{{}};
  timeline.add(make_init(0));
  feed(timeline, 0, 0, 9, 5);   // independent at 0 and 0.5 s: one segment
  const auto& parts = timeline.segments().front().parts;
  for (const Part& part : parts)
    for (std::size_t i = 0; i < part.chunks.size(); ++i) {
      EXPECT_EQ(part.chunks[i].independent, part.independent && i == 0);
    }
  EXPECT_EQ(parts[2].duration, milliseconds{100});
  EXPECT_TRUE(parts[3].independent);
}

TEST(LiveTimeline, numbers_parts_across_segments_so_that_the_next_is_known) {
  LiveTimeline timeline{{}};
  timeline.add(make_init(0));
  feed(timeline, 0, 0, 35);
  std::uint64_t expected = 0;
  for (const Segment& s : timeline.segments())
    for (const Part& p : s.parts) EXPECT_EQ(p.number, expected++);
  EXPECT_EQ(timeline.next_part(), expected);
}

TEST(LiveTimeline, keeps_the_window_and_no_more) {
  LiveTimeline timeline{{.window = seconds{5}}};
  timeline.add(make_init(0));
  feed(timeline, 0, 0, 300);
  EXPECT_GE(total(timeline), seconds{5});
  EXPECT_LE(total(timeline), seconds{6});
  EXPECT_EQ(total(timeline), timeline.buffered());
  EXPECT_EQ(timeline.segments().back().sequence, 29U);
}

TEST(LiveTimeline, never_holds_more_than_its_bytes) {
  LiveTimeline::Config config;
  config.max_bytes = 100'000;
  LiveTimeline timeline{config};
  timeline.add(make_init(0));
  for (int i = 0; i < 500; ++i) {
    timeline.add(make_chunk({.at = milliseconds{100 * i}, .independent = i % 10 == 0, .size = 5000}));
    ASSERT_LE(timeline.held_bytes(), config.max_bytes);
  }
  EXPECT_GT(timeline.held_bytes(), config.max_bytes / 2);
}

TEST(LiveTimeline, drops_a_chunk_larger_than_a_quarter_of_its_bytes) {
  LiveTimeline::Config config;
  config.max_bytes = 100'000;
  LiveTimeline timeline{config};
  timeline.add(make_init(0));
  timeline.add(make_chunk({.independent = true, .size = 30'000}));
  EXPECT_TRUE(timeline.segments().empty());
}

TEST(LiveTimeline, never_holds_more_than_its_number_of_segments) {
  LiveTimeline timeline{{}};
  for (std::uint32_t epoch = 0; epoch < LiveTimeline::kMaxSegments + 100; ++epoch) {
    timeline.add(make_init(epoch, 1));
    timeline.add(make_chunk({.epoch = epoch, .length = milliseconds{1}, .independent = true, .size = 1}));
  }
  EXPECT_EQ(timeline.segments().size(), LiveTimeline::kMaxSegments);
  EXPECT_EQ(timeline.init(99), nullptr);
  EXPECT_NE(timeline.init(100), nullptr);
}

TEST(LiveTimeline, a_new_epoch_is_a_discontinuity_and_old_ones_are_ignored) {
  LiveTimeline timeline{{}};
  timeline.add(make_init(3));
  feed(timeline, 3, 0, 15);
  timeline.add(make_init(4));
  feed(timeline, 4, 0, 15);
  feed(timeline, 3, 15, 5);
  timeline.add(make_init(3));
  const auto& segments = timeline.segments();
  ASSERT_EQ(segments.size(), 4U);
  EXPECT_FALSE(segments[0].discontinuity);
  EXPECT_FALSE(segments[1].discontinuity);
  EXPECT_TRUE(segments[2].discontinuity);
  EXPECT_EQ(segments[2].discontinuities, 1U);
  EXPECT_EQ(segments[3].discontinuities, 1U);
  EXPECT_EQ(segments[2].epoch, 4U);
  EXPECT_TRUE(segments[1].complete);
  EXPECT_EQ(segments[1].duration, milliseconds{500});
  EXPECT_EQ(timeline.newest_init()->epoch, 4U);
}

TEST(LiveTimeline, a_gap_in_media_time_is_a_discontinuity_that_waits_for_an_independent_chunk) {
  LiveTimeline timeline{{}};
  timeline.add(make_init(0));
  feed(timeline, 0, 0, 14);
  feed(timeline, 0, 16, 14);   // 1.4 and 1.5 s are lost
  const auto& segments = timeline.segments();
  ASSERT_EQ(segments.size(), 3U);
  EXPECT_TRUE(segments[2].discontinuity);
  EXPECT_EQ(segments[2].start, milliseconds{2000});
}

TEST(LiveTimeline, time_running_back_within_an_epoch_is_a_gap_too) {
  LiveTimeline timeline{{}};
  timeline.add(make_init(0));
  feed(timeline, 0, 50, 14);
  feed(timeline, 0, 0, 5);
  ASSERT_EQ(timeline.segments().size(), 3U);
  EXPECT_TRUE(timeline.segments()[2].discontinuity);
  EXPECT_EQ(timeline.segments()[2].start, milliseconds{0});
}

TEST(LiveTimeline, forgets_the_init_of_an_epoch_that_left_the_window) {
  LiveTimeline timeline{{.window = seconds{3}}};
  timeline.add(make_init(1));
  feed(timeline, 1, 0, 20);
  timeline.add(make_init(2));
  feed(timeline, 2, 0, 10);
  EXPECT_NE(timeline.init(1), nullptr);
  feed(timeline, 2, 10, 60);
  EXPECT_EQ(timeline.init(1), nullptr);
  EXPECT_NE(timeline.init(2), nullptr);
}

TEST(LiveTimeline, ends_and_comes_back_with_a_new_epoch) {
  LiveTimeline timeline{{}};
  timeline.add(make_init(1));
  feed(timeline, 1, 0, 15);
  timeline.end();
  EXPECT_TRUE(timeline.ended());
  EXPECT_TRUE(timeline.segments().back().complete);
  feed(timeline, 1, 15, 10);
  EXPECT_EQ(timeline.segments().size(), 2U);
  timeline.add(make_init(2));
  EXPECT_FALSE(timeline.ended());
  feed(timeline, 2, 0, 5);
  EXPECT_EQ(timeline.segments().size(), 3U);
}

TEST(LiveTimeline, program_dates_follow_media_time_until_the_clock_is_too_far_away) {
  LiveTimeline timeline{{}};
  timeline.add(make_init(0));
  for (int i = 0; i < 40; ++i) {
    MediaChunk chunk = make_chunk({.at = milliseconds{100 * i}, .independent = i % 10 == 0});
    chunk.captured += milliseconds{i < 30 ? 13 * (i % 3) + 300 : 5000};
    timeline.add(chunk);
  }
  const auto& segments = timeline.segments();
  EXPECT_EQ(segments[1].program_date - segments[0].program_date, seconds{1});
  EXPECT_EQ(segments[2].program_date - segments[1].program_date, seconds{1});
  EXPECT_EQ(segments[3].program_date, kStart + seconds{8});
}

TEST(LiveTimeline, absurd_times_and_empty_chunks_are_dropped) {
  LiveTimeline timeline{{}};
  timeline.add(make_init(0));
  const auto broken = [](auto change) {
    MediaChunk chunk = make_chunk({.independent = true});
    change(chunk);
    return chunk;
  };
  timeline.add(broken([](MediaChunk& c) { c.bytes = nullptr; }));
  timeline.add(broken([](MediaChunk& c) { c.bytes = std::make_shared<const base::Bytes>(); }));
  timeline.add(broken([](MediaChunk& c) { c.duration = base::Duration{0}; }));
  timeline.add(broken([](MediaChunk& c) { c.duration = base::Duration::max(); }));
  timeline.add(broken([](MediaChunk& c) { c.duration = base::Duration::min(); }));
  timeline.add(broken([](MediaChunk& c) { c.media_time = base::Duration::max(); }));
  timeline.add(broken([](MediaChunk& c) { c.media_time = base::Duration::min(); }));
  timeline.add(broken([](MediaChunk& c) { c.captured = base::WallTime::max(); }));
  timeline.add(broken([](MediaChunk& c) { c.captured = base::WallTime::min(); }));
  EXPECT_TRUE(timeline.segments().empty());
  EXPECT_FALSE(timeline.newest_captured());
}

TEST(LiveTimeline, tells_listeners_of_inits_chunks_and_changes) {
  LiveTimeline timeline{{}};
  int inits = 0, chunks = 0, changes = 0;
  const auto token = timeline.subscribe({[&] { ++changes; }, [&](const InitSegment&) { ++inits; }, [&](const MediaChunk&) { ++chunks; }});
  timeline.add(make_init(0));
  timeline.add(make_init(0));
  feed(timeline, 0, 0, 3);
  timeline.end();
  timeline.end();
  EXPECT_EQ(inits, 1);
  EXPECT_EQ(chunks, 3);
  EXPECT_EQ(changes, 5);
  timeline.unsubscribe(token);
  timeline.add(make_init(1));
  EXPECT_EQ(inits, 1);
}

TEST(LiveTimeline, a_listener_may_unsubscribe_itself_and_others_inside_a_callback) {
  LiveTimeline timeline{{}};
  int first = 0, second = 0;
  LiveTimeline::Token one = 0, two = 0;
  one = timeline.subscribe({.on_change = [&] {
    ++first;
    timeline.unsubscribe(one);
    timeline.unsubscribe(two);
  }});
  two = timeline.subscribe({.on_change = [&] { ++second; }});
  timeline.add(make_init(0));
  timeline.add(make_init(1));
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 0);
}

TEST(LiveTimeline, a_listener_may_subscribe_others_and_destroy_the_timeline_inside_a_callback) {
  auto timeline = std::make_unique<LiveTimeline>(LiveTimeline::Config{});
  int late = 0;
  timeline->subscribe({.on_change = [&] { timeline->subscribe({.on_change = [&] { ++late; }}); }});
  timeline->add(make_init(0));
  EXPECT_EQ(late, 0);
  timeline->subscribe({.on_change = [&] { timeline.reset(); }});
  timeline->add(make_init(1));
  EXPECT_EQ(timeline, nullptr);
}

// Whatever is fed, what players rely on holds.
void check_invariants(const LiveTimeline& timeline) {
  const auto& segments = timeline.segments();
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& s = segments[i];
    RC_ASSERT(!s.parts.empty());
    RC_ASSERT(s.complete || i + 1 == segments.size());
    RC_ASSERT(s.duration.count() > 0);
    RC_ASSERT(timeline.init(s.epoch) != nullptr);
    for (std::size_t p = 0; p < s.parts.size(); ++p) {
      RC_ASSERT(!s.parts[p].chunks.empty());
      RC_ASSERT(s.parts[p].complete || (!s.complete && p + 1 == s.parts.size()));
      RC_ASSERT(s.parts[p].independent == s.parts[p].chunks.front().independent);
      for (const MediaChunk& chunk : s.parts[p].chunks) bytes += chunk.bytes->size() + LiveTimeline::kChunkOverheadBytes;
    }
    if (s.discontinuity) RC_ASSERT(s.parts.front().independent);
    if (i == 0) continue;
    const Segment& before = segments[i - 1];
    RC_ASSERT(s.sequence == before.sequence + 1);
    RC_ASSERT(s.epoch >= before.epoch);
    RC_ASSERT((s.epoch > before.epoch) <= s.discontinuity);
    RC_ASSERT(s.discontinuities == before.discontinuities + (s.discontinuity ? 1 : 0));
    RC_ASSERT(s.parts.front().number == before.parts.back().number + 1);
    RC_ASSERT(s.complete <= (s.duration <= timeline.target_duration()));
  }
  RC_ASSERT(bytes == timeline.held_bytes());
  RC_ASSERT(bytes <= timeline.config().max_bytes);
  RC_ASSERT(total(timeline) == timeline.buffered());
  if (segments.size() > 1) RC_ASSERT(timeline.buffered() - segments.front().duration < timeline.config().window);
}

TEST(LiveTimeline, holds_its_promises_for_any_sequence_of_chunks_epochs_and_ends) {
  EXPECT_TRUE(rc::check("timeline invariants", [] {
    LiveTimeline::Config config;
    config.window = seconds{*rc::gen::inRange(2, 20)};
    config.max_bytes = static_cast<std::size_t>(*rc::gen::inRange(20'000, 400'000));
    LiveTimeline timeline{config};
    std::uint32_t epoch = 0;
    milliseconds at{0};
    const int steps = *rc::gen::inRange(0, 300);
    std::uint64_t last_sequence = 0;
    for (int i = 0; i < steps; ++i) {
      const int kind = *rc::gen::inRange(0, 40);
      if (kind == 0)
        timeline.add(make_init(epoch = static_cast<std::uint32_t>(*rc::gen::inRange(0, 12))));
      else if (kind == 1)
        timeline.end();
      else if (kind == 2)
        at += milliseconds{*rc::gen::inRange(-3000, 3000)};
      else {
        const milliseconds length{*rc::gen::inRange(10, 150)};
        timeline.add(make_chunk({.epoch = epoch,
                                 .at = at,
                                 .length = length,
                                 .independent = *rc::gen::inRange(0, 8) == 0,
                                 .size = static_cast<std::size_t>(*rc::gen::inRange(1, 6000))}));
        at += length;
      }
      check_invariants(timeline);
      if (timeline.segments().empty()) continue;
      RC_ASSERT(timeline.segments().back().sequence >= last_sequence);
      last_sequence = timeline.segments().back().sequence;
    }
  }));
}

}  // namespace
}  // namespace runnel::media
