// The pure parts of cutting films on demand.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "media_helper/block_cache.hpp"
#include "media_helper/fragment_writer.hpp"
#include "media_helper/sample_bytes.hpp"
#include "media_helper/scanned_index.hpp"
#include "media_helper/segment_plan.hpp"
#include "media_helper/sync_search.hpp"
#include "media_helper/webvtt.hpp"
#include "unit/media_helper/demand_support.hpp"

namespace runnel::media_helper::test {
namespace {

std::vector<Key> keys_every(std::int64_t distance_us, std::int64_t duration_us) {
  std::vector<Key> keys;
  for (std::int64_t t = 0; t < duration_us; t += distance_us) keys.push_back({.time_us = t, .id = t});
  return keys;
}

TEST(SegmentPlan, cuts_lie_near_four_seconds_where_key_frames_are_dense) {
  const auto cuts = plan_cuts(keys_every(500'000, 60'000'000), 60'000'000);
  ASSERT_EQ(cuts.size(), 15U);
  for (std::size_t i = 0; i < cuts.size(); ++i) EXPECT_EQ(cuts[i].time_us, static_cast<std::int64_t>(i) * 4'000'000);
}
TEST(SegmentPlan, sparse_key_frames_make_longer_segments) {
  const auto cuts = plan_cuts(keys_every(10'000'000, 60'000'000), 60'000'000);
  EXPECT_EQ(cuts.size(), 6U);
}
TEST(SegmentPlan, a_short_rest_belongs_to_the_last_segment) {
  const auto cuts = plan_cuts(keys_every(4'000'000, 9'000'000), 9'000'000);
  EXPECT_EQ(cuts.size(), 2U);
}
TEST(SegmentPlan, the_first_cut_is_the_films_start_even_if_its_key_frame_is_later) {
  const std::vector<Key> keys{{.time_us = 700'000, .id = 7}, {.time_us = 4'700'000, .id = 47}};
  const auto cuts = plan_cuts(keys, 9'000'000);
  ASSERT_EQ(cuts.size(), 2U);
  EXPECT_EQ(cuts[0].time_us, 0);
  EXPECT_EQ(cuts[0].id, 7);
}
TEST(SegmentPlan, no_film_has_more_cuts_than_a_message_holds) {
  const std::int64_t ten_years = 10LL * 365 * 24 * 3600 * 1'000'000;
  EXPECT_LE(plan_equal_cuts(ten_years, 4'000'000).size(), kMaxCuts);
  EXPECT_LE(plan_cuts(keys_every(2'500'000, 1'000'000'000'000), 1'000'000'000'000).size(), kMaxCuts);
}
RC_GTEST_PROP(SegmentPlan, cuts_grow_and_are_keys, (std::vector<std::uint32_t> steps)) {
  std::vector<Key> keys{Key{}};
  for (const auto step : steps)
    keys.push_back({.time_us = keys.back().time_us + 1 + step % 20'000'000, .id = static_cast<std::int64_t>(keys.size())});
  const auto cuts = plan_cuts(keys, keys.back().time_us + 5'000'000);
  RC_ASSERT(!cuts.empty());
  for (std::size_t i = 1; i < cuts.size(); ++i) {
    RC_ASSERT(cuts[i].time_us - cuts[i - 1].time_us >= kShortestSegmentUs);
    RC_ASSERT(keys[static_cast<std::size_t>(cuts[i].id)].time_us == cuts[i].time_us);
  }
}

TEST(ScannedIndex, has_the_bytes_that_its_document_tells) {
  const ScannedIndex index{
      .origin_us = 1'400'000, .duration_us = 20'000'000, .header_bytes = 0, .keys = {{0, 564}, {2'000'000, 150'000}, {4'000'000, 149'000}}};
  const base::Bytes bytes = encode(index);
  EXPECT_EQ(base::to_hex(bytes), "524e4c580180f3aa0180dac409000300e80880897af89e1280897acf0f5fa05ac6");
  EXPECT_TRUE(decode_scanned_index(bytes).value() == index);
  EXPECT_EQ(base::to_hex(encode({})), "524e4c5801000000001e868cc5");
}
TEST(ScannedIndex, its_checksum_is_castagnolis) {   // RFC 3720 B.4
  EXPECT_EQ(crc32c(base::Bytes(32, std::byte{0})), 0x8a9136aaU);
  EXPECT_EQ(crc32c(base::Bytes(32, std::byte{0xff})), 0x62a8ab43U);
}
TEST(ScannedIndex, every_damaged_byte_is_seen) {
  base::Bytes bytes = encode({.duration_us = 5, .keys = {{1, 2}, {3, 4}}});
  for (std::byte& b : bytes) {
    b ^= std::byte{0x10};
    EXPECT_FALSE(decode_scanned_index(bytes).has_value());
    b ^= std::byte{0x10};
  }
  EXPECT_TRUE(decode_scanned_index(bytes).has_value());
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_scanned_index(base::ByteView{bytes}.first(size)).has_value());
}
TEST(ScannedIndex, more_keys_than_allowed_are_refused) {
  ScannedIndex index{.duration_us = 1};
  for (std::size_t i = 0; i < kMaxScannedKeys; ++i) index.keys.push_back({static_cast<std::int64_t>(i), i});
  base::Bytes bytes = encode(index);
  ASSERT_TRUE(decode_scanned_index(bytes).has_value());
  // The count is the varint after magic, version and three one-byte numbers: 80 80 10 becomes 81 80 10.
  ASSERT_EQ(bytes[8], std::byte{0x80});
  bytes[8] = std::byte{0x81};
  bytes.resize(bytes.size() - 4);
  base::Writer{bytes}.write<std::uint16_t>(0x0102);
  base::Writer{bytes}.write(crc32c(bytes));
  EXPECT_EQ(decode_scanned_index(bytes).error(), ScannedIndexError::out_of_bounds);
}
RC_GTEST_PROP(ScannedIndex, comes_back_as_it_went, (std::vector<std::uint32_t> steps, std::int32_t origin)) {
  ScannedIndex index{.origin_us = origin, .duration_us = 77, .header_bytes = 5};
  std::int64_t time = 0;
  for (const auto step : steps) index.keys.push_back({time += 1 + step, step});
  const auto back = decode_scanned_index(encode(index));
  RC_ASSERT(back.has_value());
  const bool same = *back == index;
  RC_ASSERT(same);
}
RC_GTEST_PROP(ScannedIndex, never_trusts_what_it_reads, (std::string body)) {
  base::Bytes bytes = base::to_bytes(base::as_bytes("RNLX\x01"));
  base::Writer{bytes}.write_view(base::as_bytes(body));
  base::Writer{bytes}.write(crc32c(bytes));
  const auto index = decode_scanned_index(bytes);
  RC_ASSERT(!index || index->keys.size() <= kMaxScannedKeys);
}

TEST(FragmentWriter, decode_times_are_the_sorted_presentation_times) {
  std::vector<Sample> samples{{.pts = 100}, {.pts = 130}, {.pts = 110}, {.pts = 120}};
  EXPECT_EQ(lay_out(samples, 140), 100);
  for (const Sample& s : samples) EXPECT_EQ(s.duration, 10);
  std::vector<Sample> leading{{.pts = 100}, {.pts = 80}, {.pts = 90}};   // an open group of pictures
  EXPECT_EQ(lay_out(leading, 0), 80);
  EXPECT_EQ(leading.back().duration, 10);
}
TEST(FragmentWriter, writes_boxes_that_say_what_went_in) {
  Samples samples{.list = {{.pts = 5000, .size = 3, .key = true}, {.pts = 5080, .size = 2}, {.pts = 5040, .size = 1}},
                  .bytes = base::Bytes(6, std::byte{7})};
  const auto decode = lay_out(samples.list, 5120);
  const FragmentTimes times = parse_fragment(write_fragment({.sequence = 9, .decode_time = decode}, samples));
  EXPECT_EQ(times.decode_time, 5000);
  EXPECT_EQ(times.decode_end, 5120);
  EXPECT_EQ(times.first_shown, 5000);
  EXPECT_EQ(times.samples, 3U);
  EXPECT_TRUE(times.begins_with_key);
}

TEST(WebVtt, times_have_hours_and_milliseconds) {
  EXPECT_EQ(vtt_time(0), "00:00:00.000");
  EXPECT_EQ(vtt_time(3'723'004'999), "01:02:03.004");
  EXPECT_EQ(vtt_time(-5), "00:00:00.000");
}
TEST(WebVtt, markup_of_ass_becomes_markup_of_webvtt) {
  EXPECT_EQ(vtt_text("0,0,Default,,0,0,0,,Plain, with a comma"), "Plain, with a comma");
  EXPECT_EQ(vtt_text("0,0,Default,,0,0,0,,{\\i1}slanted{\\i0} not"), "<i>slanted</i> not");
  EXPECT_EQ(vtt_text("0,0,Default,,0,0,0,,{\\b1\\i1}both{\\b0} one"), "<b><i>both</i></b><i> one</i>");
  EXPECT_EQ(vtt_text("0,0,Default,,0,0,0,,{\\an8\\pos(1,2)}up\\Nand\\hdown"), "up\nand down");
  EXPECT_EQ(vtt_text("0,0,Default,,0,0,0,,a\\N\\Nb\\N"), "a\nb");
  EXPECT_EQ(vtt_text("0,0,Default,,0,0,0,,<script> & --> x"), "&lt;script&gt; &amp; --&gt; x");
  EXPECT_EQ(vtt_text("too,few,fields"), "");
}
RC_GTEST_PROP(WebVtt, no_text_ends_its_cue_early, (std::string text)) {
  const std::string out = vtt_text("0,0,Default,,0,0,0,," + text);
  RC_ASSERT(out.find("\n\n") == std::string::npos);
  RC_ASSERT(out.find("-->") == std::string::npos);
}

TEST(SampleBytes, start_codes_become_lengths) {
  AVCodecParameters parameters{};
  parameters.codec_id = AV_CODEC_ID_H264;
  const auto packet = *base::from_hex("000000010910000000016511220000016533");
  base::Bytes out;
  EXPECT_EQ(append_sample(parameters, packet, out), 13U);
  EXPECT_EQ(base::to_hex(out),
            "00000003651122"
            "000000026533");
}
TEST(SampleBytes, adts_headers_go) {
  AVCodecParameters parameters{};
  parameters.codec_id = AV_CODEC_ID_AAC;
  base::Bytes out;
  append_sample(parameters, *base::from_hex("fff14c80013ffcaabb"), out);
  EXPECT_EQ(base::to_hex(out), "aabb");
}

TEST(SyncSearch, finds_clusters_and_fragments_and_not_what_only_looks_like_them) {
  base::Bytes bytes(200'000, std::byte{0});
  const auto put = [&](std::size_t at, std::string_view hex) {
    std::ranges::copy(*base::from_hex(hex), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(1000, "1f43b675ff00");
  put(65'530, "1f43b67501000000000000ffe7");   // across a block's end
  put(150'000,
      "00000068"
      "6d6f6f66"
      "00000010"
      "6d666864");
  put(140'000,
      "00000008"
      "6d6f6f66");
  BytesReader reader{bytes};
  BlockCache cache{reader};
  EXPECT_EQ(find_sync(cache, SpliceKind::matroska, 0).value(), 65'530U);
  EXPECT_FALSE(find_sync(cache, SpliceKind::matroska, 65'531).value().has_value());
  EXPECT_EQ(find_sync(cache, SpliceKind::mp4, 0).value(), 150'000U);
}

TEST(BlockCache, reads_one_block_after_a_jump_and_more_when_reading_goes_on) {
  BytesReader bytes{base::Bytes(40 * BlockCache::kBlock)};
  struct Counter : RandomReader {
    explicit Counter(RandomReader& r) : inner(r) {}
    [[nodiscard]] std::uint64_t size() const override { return inner.size(); }
    [[nodiscard]] std::expected<std::size_t, ReadError> read(std::uint64_t offset, base::MutableByteView into) override {
      sizes.push_back(into.size() / BlockCache::kBlock);
      return inner.read(offset, into);
    }
    RandomReader& inner;
    std::vector<std::size_t> sizes;
  } counter{bytes};
  BlockCache cache{counter};
  base::Bytes into(BlockCache::kBlock);
  for (std::uint64_t block = 0; block < 12; ++block) ASSERT_TRUE(cache.read(block * BlockCache::kBlock, into).has_value());
  ASSERT_TRUE(cache.read(30 * BlockCache::kBlock, into).has_value());
  ASSERT_TRUE(cache.read(3 * BlockCache::kBlock, into).has_value());   // known
  EXPECT_EQ(counter.sizes, (std::vector<std::size_t>{1, 2, 4, 4, 4, 1}));
}

}  // namespace
}  // namespace runnel::media_helper::test
