#include "media/helper_messages.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace runnel::media::helper {
namespace {

base::ByteView body_of(const base::Bytes& frame) { return base::ByteView{frame}.subspan(kFrameHeaderBytes); }

// Every message once, with something in each field.
std::vector<Message> samples() {
  const base::Bytes bytes = base::to_bytes(base::as_bytes("\x01\x02\x03"));
  const TrackInfo video{TrackKind::video, 0, "h264", "avc1.64001f", "en", "Main", 1280, 720, 29.97, 0, 0, 2'400'000, true};
  const TrackInfo audio{TrackKind::audio, 1, "aac", "mp4a.40.2", "", "", 0, 0, 0, 48'000, 2, 128'000, false};
  const DemandIndex index{base::Duration{5'000'000}, {video, audio}, {{base::Duration{0}, base::Duration{2'000'000}}}};
  const base::WallTime when{base::Duration{1'700'000'000'123'456}};
  return {Heartbeat{},
          StartIngest{"test:", true, {720, 480}, 7},
          StartTs{},
          StartDemand{99, "film.mkv", bytes},
          StartScan{"/films/a.ts"},
          Listening{"rtmp://127.0.0.1:1935/live"},
          Init{3, {video, audio}, bytes},
          Chunk{3, true, base::Duration{66'000}, base::Duration{33'000}, when, bytes},
          End{},
          Error{"why"},
          Notice{"a publisher came"},
          FeedInit{3, bytes},
          FeedChunk{3, true, bytes},
          Packets{true, base::Bytes(188)},
          Read{5, 1000, 65536},
          CancelRead{5},
          ReadReply{5, bytes},
          ReadReply{5, std::unexpected{"no"}},
          GetIndex{1},
          IndexReply{1, index},
          IndexReply{1, std::unexpected{"no"}},
          GetInit{2, 1},
          GetSegment{3, 1, 17},
          SegmentReply{3, bytes},
          SegmentReply{3, std::unexpected{"no"}},
          ScanReply{Scan{true, "video/mp2t", base::Duration{1}, {video}, bytes}},
          ScanReply{std::unexpected{"no"}},
          StartFollow{7}};
}

TEST(HelperMessages, every_message_reads_back_to_the_same_bytes) {
  for (const Message& m : samples()) {
    const base::Bytes frame = encode(m);
    EXPECT_EQ(body_size(base::ByteView{frame}.first(kFrameHeaderBytes)), frame.size() - kFrameHeaderBytes);
    const auto back = decode(body_of(frame));
    ASSERT_TRUE(back) << m.index() << ": " << message(back.error());
    EXPECT_EQ(back->index(), m.index());
    EXPECT_EQ(encode(*back), frame);
  }
}

TEST(HelperMessages, a_message_cut_short_anywhere_is_refused) {
  for (const Message& m : samples()) {
    const base::Bytes frame = encode(m);
    for (std::size_t size = 0; size < frame.size() - kFrameHeaderBytes; ++size) EXPECT_FALSE(decode(body_of(frame).first(size)));
  }
}

TEST(HelperMessages, a_message_with_bytes_left_over_is_refused) {
  for (const Message& m : samples()) {
    base::Bytes frame = encode(m);
    frame.push_back(std::byte{0});
    EXPECT_EQ(decode(body_of(frame)).error(), MessageError::left_over);
  }
}

TEST(HelperMessages, an_unknown_type_and_a_bad_length_are_refused) {
  EXPECT_EQ(decode(base::Bytes{std::byte{0xEE}}).error(), MessageError::unknown_type);
  base::Bytes header(kFrameHeaderBytes);
  EXPECT_FALSE(body_size(header));
  base::store_big_endian(header.data(), static_cast<std::uint32_t>(kMaxMessage + 1));
  EXPECT_EQ(body_size(header).error(), MessageError::too_long);
  base::store_big_endian(header.data(), static_cast<std::uint32_t>(kMaxMessage));
  EXPECT_EQ(body_size(header), kMaxMessage);
}

TEST(HelperMessages, too_many_tracks_and_impossible_values_are_refused) {
  base::Bytes frame = encode(Init{1, std::vector<TrackInfo>(kMaxTracks), {}});
  EXPECT_TRUE(decode(body_of(frame)));
  base::store_big_endian(frame.data() + kFrameHeaderBytes + 1 + 4, static_cast<std::uint32_t>(kMaxTracks + 1));
  EXPECT_EQ(decode(body_of(frame)).error(), MessageError::out_of_bounds);

  const auto refused = [](const Message& m) { return !decode(body_of(encode(m))); };
  EXPECT_TRUE(refused(Read{1, 0, 0}));
  EXPECT_TRUE(refused(Read{1, 0, kMaxRead + 1}));
  EXPECT_TRUE(refused(Packets{true, base::Bytes(187)}));
  EXPECT_TRUE(refused(Chunk{.duration = base::Duration{-1}}));
  EXPECT_TRUE(refused(Chunk{.media_time = base::Duration::max()}));
  EXPECT_TRUE(refused(Chunk{.captured = base::WallTime{base::Duration::max()}}));
  TrackInfo nan;
  nan.frame_rate = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(refused(Init{1, {nan}, {}}));
  nan.frame_rate = 0;
  nan.kind = static_cast<TrackKind>(9);
  EXPECT_TRUE(refused(Init{1, {nan}, {}}));
}

TEST(HelperMessages, a_long_text_is_cut_at_the_start_of_a_character) {
  std::string line(kMaxText - 1, 'a');
  line += "\xC3\xA9";  // a two-byte letter across the limit
  const auto back = decode(body_of(encode(Notice{line})));
  ASSERT_TRUE(back);
  EXPECT_EQ(std::get<Notice>(*back).line, std::string(kMaxText - 1, 'a'));
}

TEST(HelperMessages, texts_come_out_printable_and_paths_as_they_are) {
  const auto notice = decode(body_of(encode(Notice{"\x1b[2J\xff"})));
  ASSERT_TRUE(notice);
  EXPECT_EQ(std::get<Notice>(*notice).line, " [2J?");
  const auto start = decode(body_of(encode(StartScan{"/films/\xff\n.ts"})));
  ASSERT_TRUE(start);
  EXPECT_EQ(std::get<StartScan>(*start).path, "/films/\xff\n.ts");
}

RC_GTEST_PROP(HelperMessages, random_bytes_never_do_harm, (const std::vector<std::uint8_t>& raw)) {
  const auto got = decode(std::as_bytes(std::span{raw}));
  if (got) RC_ASSERT(encode(*got).size() == raw.size() + kFrameHeaderBytes);
}

RC_GTEST_PROP(HelperMessages, one_changed_byte_never_does_harm, (std::uint32_t pick, std::uint32_t at, std::uint8_t value)) {
  const auto all = samples();
  base::Bytes frame = encode(all[pick % all.size()]);
  frame[kFrameHeaderBytes + at % (frame.size() - kFrameHeaderBytes)] = std::byte{value};
  const auto got = decode(body_of(frame));
  if (got) RC_ASSERT(encode(*got).size() == frame.size());
}

}  // namespace
}  // namespace runnel::media::helper
