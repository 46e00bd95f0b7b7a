#include "media/record.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <fstream>
#include <iterator>

namespace runnel::media {
namespace {

constexpr std::size_t kMunro = 32 * 1080;  // bytes under one munro
const base::WallTime kTime{base::Duration{1'700'000'000'500'000}};
constexpr std::uint64_t kFirst = 0x0D58'0000'0000'0020, kSecond = 0x0D58'0000'0000'0040;

std::shared_ptr<const base::Bytes> fill(std::size_t size, int value) {
  return std::make_shared<const base::Bytes>(size, static_cast<std::byte>(value));
}

base::Bytes vector_file(const std::string& name) {
  std::ifstream file{std::string{RUNNEL_VECTORS} + "/stream/" + name + ".hex"};
  std::string text, line;
  while (std::getline(file, line)) text += line;
  return base::from_hex(text).value_or(base::Bytes{});
}

InitSegment sample_init() {
  InitSegment init;
  init.epoch = 7;
  init.tracks = {{TrackKind::video, 0, "h264", "avc1.64001f", "", "", 1280, 720, 29.97, 0, 0, 2'400'000, false},
                 {TrackKind::audio, 0, "aac", "mp4a.40.2", "en", "Commentary", 0, 0, 0, 48'000, 2, 128'000, true}};
  base::Bytes bytes;
  for (int i = 0; i < 32; ++i) bytes.push_back(static_cast<std::byte>(i));
  init.bytes = std::make_shared<const base::Bytes>(bytes);
  return init;
}
MediaChunk sample_chunk(bool independent) {
  if (independent) return {7, true, base::Duration{2'000'000}, base::Duration{33'333}, kTime, fill(50, 0xcd)};
  return {7, false, base::Duration{66'667}, base::Duration{66'666}, kTime, fill(100, 0xab)};
}
Catalog sample_catalog() {
  const auto id = [](int value) {
    base::Bytes bytes(65, static_cast<std::byte>(value));
    bytes[0] = std::byte{13};
    return bytes;
  };
  return {"Evening news \xC3\xA9",
          {{id(0x11), 1280, 720, 2'400'000, "avc1.64001f,mp4a.40.2"}, {id(0x22), 640, 360, 800'000, "avc1.64001f,mp4a.40.2"}}};
}
StreamEnd sample_end() { return {{{7, base::Bytes(32, std::byte{0x33}), 123'456'789, "news-7.mp4"}}}; }

RecordReader::Result read_one(RecordReader& reader, base::ByteView bytes) {
  auto got = reader.feed(bytes, true);
  return got ? std::move(*got) : RecordReader::Result{std::unexpected{RecordError::cut_off}};
}

TEST(Record, the_writer_makes_the_published_vectors) {
  RecordWriter writer;
  EXPECT_EQ(writer.init(sample_init(), kTime), vector_file("init"));
  writer.resume(7, kFirst);
  EXPECT_EQ(writer.media(sample_chunk(false), kSecond), vector_file("media"));
  EXPECT_EQ(writer.media(sample_chunk(true), kSecond), vector_file("media-independent"));
  EXPECT_EQ(writer.catalog(sample_catalog(), kTime), vector_file("catalog"));
  EXPECT_EQ(writer.end(sample_end(), kTime), vector_file("end"));
}

TEST(Record, the_reader_understands_the_published_vectors) {
  RecordReader reader;
  const auto init = read_one(reader, vector_file("init"));
  ASSERT_TRUE(init);
  EXPECT_EQ(init->newest_independent, kNoIndependent);
  EXPECT_EQ(init->time, kTime);
  const auto& segment = std::get<InitSegment>(init->content);
  EXPECT_EQ(segment.epoch, 7U);
  EXPECT_EQ(*segment.bytes, *sample_init().bytes);
  ASSERT_EQ(segment.tracks.size(), 2U);
  EXPECT_EQ(segment.tracks[0].codecs, "avc1.64001f");
  EXPECT_DOUBLE_EQ(segment.tracks[0].frame_rate, 29.97);
  EXPECT_EQ(segment.tracks[1].title, "Commentary");
  EXPECT_TRUE(segment.tracks[1].transcoded);

  const auto media = read_one(reader, vector_file("media"));
  ASSERT_TRUE(media);
  EXPECT_EQ(media->newest_independent, kFirst);
  const auto& chunk = std::get<MediaRecord>(media->content).chunk;
  EXPECT_EQ(chunk.media_time, base::Duration{66'667});
  EXPECT_EQ(chunk.duration, base::Duration{66'666});
  EXPECT_EQ(chunk.captured, kTime);
  EXPECT_EQ(chunk.bytes->size(), 100U);

  const auto end = read_one(reader, vector_file("end"));
  ASSERT_TRUE(end);
  EXPECT_EQ(std::get<StreamEnd>(end->content), sample_end());
  const auto catalog = read_one(reader, vector_file("catalog"));
  ASSERT_TRUE(catalog);
  EXPECT_EQ(std::get<Catalog>(catalog->content), sample_catalog());
}

TEST(Record, an_end_names_the_seek_indices_of_its_files_where_they_have_one) {
  RecordReader reader;
  const base::Bytes bytes = vector_file("end-indexed");
  const auto end = read_one(reader, bytes);
  ASSERT_TRUE(end);
  StreamEnd expected = sample_end();
  expected.files[0].index = {base::Bytes(32, std::byte{0x55}), 4'321};
  expected.files.push_back({8, base::Bytes(32, std::byte{0x44}), 1'000, "news-8.mp4", std::nullopt});
  EXPECT_EQ(std::get<StreamEnd>(end->content), expected);
  RecordWriter writer;
  const auto again = read_one(reader, writer.end(expected, kTime));
  ASSERT_TRUE(again);
  EXPECT_EQ(std::get<StreamEnd>(again->content), expected);
}

TEST(Record, its_first_bytes_tell_whether_it_names_a_recording) {
  EXPECT_TRUE(names_recording(vector_file("end")));
  EXPECT_FALSE(names_recording(vector_file("media")));
  EXPECT_FALSE(names_recording(RecordWriter{}.end({}, kTime)));
  const base::Bytes bytes = vector_file("end");
  EXPECT_FALSE(names_recording(base::ByteView{bytes}.first(kRecordHeaderBytes)));
  EXPECT_FALSE(names_recording({}));
}

TEST(Record, an_independent_record_brings_its_header_to_a_newcomer_and_only_once) {
  RecordReader reader;
  const base::Bytes record = vector_file("media-independent");
  const auto first = read_one(reader, record);
  ASSERT_TRUE(first);
  ASSERT_TRUE(std::get<MediaRecord>(first->content).init);
  EXPECT_EQ(std::get<MediaRecord>(first->content).init->epoch, 7U);
  const auto second = read_one(reader, record);
  ASSERT_TRUE(second);
  EXPECT_FALSE(std::get<MediaRecord>(second->content).init);
}

TEST(Record, the_next_independent_index_is_named_by_all_that_follow) {
  RecordWriter writer;
  writer.init(sample_init(), kTime);
  EXPECT_EQ(newest_independent(*writer.media(sample_chunk(false), 32)), kNoIndependent);
  EXPECT_EQ(newest_independent(*writer.media(sample_chunk(true), 64)), 64U);
  EXPECT_EQ(newest_independent(*writer.media(sample_chunk(false), 96)), 64U);
  EXPECT_EQ(newest_independent(writer.catalog(sample_catalog(), kTime)), 64U);
}

TEST(Record, a_record_tells_what_it_follows) {
  RecordWriter writer;
  EXPECT_EQ(followed_chunk(writer.init(sample_init(), kTime)), kNothingBefore);
  writer.follow(33);
  const base::Bytes record = *writer.media(sample_chunk(true), 64);
  EXPECT_EQ(record.size(), vector_file("media-independent").size() + 8);
  EXPECT_EQ(followed_chunk(record), 33U);
  EXPECT_EQ(followed_chunk(base::ByteView{record}.first(kRecordHeaderBytes)), kNothingBefore) << "not all of the header";
  EXPECT_EQ(followed_chunk(writer.catalog(sample_catalog(), kTime)), 33U);
  EXPECT_EQ(followed_chunk(base::Bytes(100)).error(), RecordError::no_record);
  RecordReader reader;
  const auto read = read_one(reader, record);
  ASSERT_TRUE(read);
  EXPECT_EQ(*std::get<MediaRecord>(read->content).chunk.bytes, *sample_chunk(true).bytes);
}

TEST(Record, a_chunk_too_large_for_a_record_is_refused) {
  RecordWriter writer;
  writer.init(sample_init(), kTime);
  MediaChunk chunk = sample_chunk(false);
  chunk.bytes = fill(kMaxRecordSize - kFollowingHeaderBytes, 1);
  EXPECT_TRUE(writer.media(chunk, 0));
  chunk.bytes = fill(kMaxRecordSize - kFollowingHeaderBytes + 1, 1);
  EXPECT_FALSE(writer.media(chunk, 0));
}

TEST(Record, a_gap_drops_the_record_and_the_next_munro_with_a_header_begins_anew) {
  RecordWriter writer;
  writer.init(sample_init(), kTime);
  MediaChunk big = sample_chunk(false);
  big.bytes = fill(kMunro * 3, 0x77);
  const base::Bytes long_record = *writer.media(big, 0);
  RecordReader reader;
  EXPECT_FALSE(reader.feed(base::ByteView{long_record}.first(kMunro), true));
  reader.gap();
  EXPECT_EQ(reader.pending_bytes(), 0U);
  const auto middle = reader.feed(base::ByteView{long_record}.subspan(2 * kMunro, kMunro), true);
  ASSERT_TRUE(middle);
  EXPECT_EQ(middle->error(), RecordError::no_record);
  EXPECT_FALSE(reader.feed(base::ByteView{long_record}.subspan(2 * kMunro + 5, 1000), false));  // waits for a munro
  EXPECT_TRUE(read_one(reader, vector_file("media")));
}

TEST(Record, every_changed_bit_is_noticed) {
  const base::Bytes good = vector_file("media-independent");
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    base::Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    RecordReader reader;
    EXPECT_FALSE(read_one(reader, bad)) << "bit " << bit;
  }
}

// A header that claims `length` bytes, with the right sum of its parts.
base::Bytes claim(std::uint32_t length, std::uint8_t kind = 2) {
  base::Bytes header = vector_file("media");
  header.resize(kRecordHeaderBytes);
  base::store_big_endian(header.data() + 4, length);
  header[8] = static_cast<std::byte>(kind);
  base::store_big_endian(header.data() + 48, static_cast<std::uint32_t>(length - kRecordHeaderBytes));
  return header;
}

TEST(Record, lengths_past_the_limits_are_refused_before_anything_is_kept) {
  EXPECT_EQ(record_length(claim(kMaxRecordSize)), kMaxRecordSize);
  EXPECT_EQ(record_length(claim(kMaxRecordSize + 1)).error(), RecordError::bad_header);
  EXPECT_EQ(record_length(claim(0xffff'ffff)).error(), RecordError::bad_header);
  EXPECT_EQ(record_length(claim(10)).error(), RecordError::bad_header);
  RecordReader reader;
  const auto got = reader.feed(claim(kMaxRecordSize + 1), true);
  ASSERT_TRUE(got);
  EXPECT_EQ(reader.pending_bytes(), 0U);
  EXPECT_EQ(record_length(base::Bytes(kRecordHeaderBytes - 1)).error(), RecordError::no_record);
}

// With the right CRC: what a publisher of a later version, or a hostile one, can sign.
base::Bytes with_payload(RecordKind kind, const base::Bytes& payload) {
  RecordWriter writer;
  InitSegment init = sample_init();
  writer.init(init, kTime);
  MediaChunk chunk = sample_chunk(false);
  chunk.bytes = std::make_shared<const base::Bytes>(payload);
  base::Bytes record = *writer.media(chunk, 0);
  record[8] = static_cast<std::byte>(kind);
  std::fill_n(record.begin() + 52, 4, std::byte{0});
  std::uint32_t crc = ~0U;  // bit by bit: not the code under test
  for (const std::byte b : record) {
    crc ^= std::to_integer<std::uint32_t>(b);
    for (int i = 0; i < 8; ++i) crc = (crc & 1U) != 0 ? crc >> 1U ^ 0x82F6'3B78U : crc >> 1U;
  }
  base::store_big_endian(record.data() + 52, ~crc);
  return record;
}

TEST(Record, a_signed_record_with_nonsense_inside_is_skipped) {
  RecordReader reader;
  const base::Bytes nonsense(40, std::byte{0xff});
  for (const RecordKind kind : {RecordKind::init, RecordKind::catalog, RecordKind::end}) {
    EXPECT_EQ(read_one(reader, with_payload(kind, nonsense)).error(), RecordError::bad_payload);
    EXPECT_EQ(read_one(reader, with_payload(kind, {})).error(), RecordError::bad_payload);
  }
  EXPECT_EQ(read_one(reader, with_payload(static_cast<RecordKind>(9), nonsense)).error(), RecordError::unknown_kind);
  EXPECT_TRUE(read_one(reader, vector_file("media")));
}

TEST(Record, what_later_versions_add_to_a_payload_is_ignored) {
  base::Bytes payload = vector_file("catalog");
  payload.erase(payload.begin(), payload.begin() + kRecordHeaderBytes);
  payload.insert(payload.end(), 20, std::byte{5});
  RecordReader reader;
  const auto got = read_one(reader, with_payload(RecordKind::catalog, payload));
  ASSERT_TRUE(got);
  EXPECT_EQ(std::get<Catalog>(got->content), sample_catalog());
}

TEST(Record, more_tracks_renditions_or_files_than_allowed_are_refused) {
  RecordReader reader;
  base::Bytes many(20'000, std::byte{0});
  many[0] = static_cast<std::byte>(kMaxRecordTracks);
  EXPECT_TRUE(read_one(reader, with_payload(RecordKind::init, many)));
  many[0] = static_cast<std::byte>(kMaxRecordTracks + 1);
  EXPECT_EQ(read_one(reader, with_payload(RecordKind::init, many)).error(), RecordError::bad_payload);
  many[0] = static_cast<std::byte>(kMaxRecordedFiles);
  EXPECT_TRUE(read_one(reader, with_payload(RecordKind::end, many)));
  many[0] = static_cast<std::byte>(kMaxRecordedFiles + 1);
  EXPECT_EQ(read_one(reader, with_payload(RecordKind::end, many)).error(), RecordError::bad_payload);
  many[0] = std::byte{0};
  many[2] = static_cast<std::byte>(kMaxRenditions);
  EXPECT_TRUE(read_one(reader, with_payload(RecordKind::catalog, many)));
  many[2] = static_cast<std::byte>(kMaxRenditions + 1);
  EXPECT_EQ(read_one(reader, with_payload(RecordKind::catalog, many)).error(), RecordError::bad_payload);
  EXPECT_EQ(read_one(reader, with_payload(RecordKind::init, base::Bytes(kMaxInitBlock + 1))).error(), RecordError::bad_payload);
}

RC_GTEST_PROP(Record, any_chunk_reads_back_however_its_bytes_are_cut, (bool independent, std::uint32_t seed, std::uint8_t pieces)) {
  RecordWriter writer;
  writer.init(sample_init(), kTime);
  MediaChunk chunk = sample_chunk(independent);
  chunk.media_time = base::Duration{seed};
  chunk.bytes = fill(seed % (kMunro * 3), static_cast<int>(seed % 256));
  const base::Bytes record = *writer.media(chunk, seed);
  RecordReader reader;
  std::optional<RecordReader::Result> got;
  for (std::size_t munro = 0; munro < record.size(); munro += kMunro) {
    const base::ByteView bytes = base::ByteView{record}.subspan(munro, std::min(kMunro, record.size() - munro));
    const std::size_t step = bytes.size() / (pieces % 7U + 1) + 1;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      RC_ASSERT(!got.has_value());
      got = reader.feed(bytes.subspan(at, std::min(step, bytes.size() - at)), at == 0);
    }
  }
  RC_ASSERT(got.has_value() && got->has_value());
  const auto& back = std::get<MediaRecord>((*got)->content);
  RC_ASSERT(*back.chunk.bytes == *chunk.bytes);
  RC_ASSERT(back.chunk.media_time == chunk.media_time);
  RC_ASSERT(back.chunk.independent == independent);
  RC_ASSERT(back.init.has_value() == independent);
}

RC_GTEST_PROP(Record, random_bytes_never_do_harm_and_never_pile_up, (const std::vector<std::vector<std::uint8_t>>& munros)) {
  RecordReader reader;
  for (const auto& m : munros) {
    base::Bytes bytes = vector_file("media");
    bytes.resize(16);  // magic and a length that fits
    for (const std::uint8_t b : m) bytes.push_back(std::byte{b});
    const auto got = reader.feed(bytes, true);
    if (got) RC_ASSERT(!got->has_value());
    RC_ASSERT(reader.pending_bytes() <= kMaxRecordSize);
  }
}

}  // namespace
}  // namespace runnel::media
