#include "media_helper/rtmp_chunk.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "rtmp_test_client.hpp"

namespace runnel::media_helper {
namespace {

using test::bytes_of;
using test::chunks;
using test::operator+;

base::Bytes body_of(std::size_t size, unsigned seed = 0) {
  base::Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>((i * 7 + seed) & 0xff);
  return out;
}

// All messages when `input` comes in pieces of `piece` bytes.
std::expected<std::vector<RtmpMessage>, RtmpFault> read_all(RtmpChunkReader& reader, base::ByteView input, std::size_t piece) {
  std::vector<RtmpMessage> out;
  while (!input.empty()) {
    const std::size_t size = std::min(piece, input.size());
    reader.append(input.first(size));
    input = input.subspan(size);
    while (true) {
      auto message = reader.next();
      if (!message) return std::unexpected(message.error());
      if (!*message) break;
      out.push_back(std::move(**message));
    }
  }
  return out;
}

std::expected<std::vector<RtmpMessage>, RtmpFault> read_all(const base::Bytes& input, std::size_t piece = 1 << 20) {
  RtmpChunkReader reader{kRtmpLimitsLive};
  return read_all(reader, input, piece);
}

base::Bytes set_chunk_size(std::uint32_t size) {
  base::Bytes body;
  base::Writer{body}.write(size);
  return chunks(2, {kRtmpSetChunkSize, 0, 0, body});
}

TEST(RtmpChunk, a_message_survives_any_split) {
  const base::Bytes input = chunks(4, {kRtmpVideo, 1234, 1, body_of(1000)}) + chunks(5, {kRtmpAudio, 1240, 1, body_of(1)});
  for (const std::size_t piece : {1U, 2U, 3U, 127U, 128U, 129U, 4096U}) {
    const auto messages = read_all(input, piece);
    ASSERT_TRUE(messages.has_value()) << piece;
    ASSERT_EQ(messages->size(), 2U);
    EXPECT_EQ((*messages)[0].body, body_of(1000));
    EXPECT_EQ((*messages)[0].timestamp_ms, 1234U);
    EXPECT_EQ((*messages)[0].type, kRtmpVideo);
    EXPECT_EQ((*messages)[0].stream_id, 1U);
    EXPECT_EQ((*messages)[1].body, body_of(1));
  }
}

TEST(RtmpChunk, interleaved_chunk_streams_are_told_apart) {
  const base::Bytes video = chunks(6, {kRtmpVideo, 40, 1, body_of(256, 1)});
  const base::Bytes audio = chunks(4, {kRtmpAudio, 41, 1, body_of(200, 2)});
  const auto cut = [](const base::Bytes& bytes, std::size_t from, std::size_t to) {
    return base::Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(to));
  };
  const std::size_t first = 12 + 128;
  const auto messages =
      read_all(cut(video, 0, first) + cut(audio, 0, first) + cut(video, first, video.size()) + cut(audio, first, audio.size()), 1);
  ASSERT_TRUE(messages.has_value());
  ASSERT_EQ(messages->size(), 2U);
  EXPECT_EQ((*messages)[0].body, body_of(256, 1));
  EXPECT_EQ((*messages)[1].body, body_of(200, 2));
}

TEST(RtmpChunk, headers_of_types_1_2_and_3_take_over_what_they_leave_out) {
  const base::Bytes input = bytes_of({0x04, 0, 0, 100, 0, 0, 2, 8, 1, 0, 0, 0, 0xaa, 0xab}) +  // type 0: time 100, 2 bytes, audio
                            bytes_of({0x44, 0, 0, 20, 0, 0, 1, 9, 0xac}) +                     // type 1: +20, 1 byte, video
                            bytes_of({0x84, 0, 0, 30, 0xad}) +                                 // type 2: +30
                            bytes_of({0xc4, 0xae});                                            // type 3: +30 again
  const auto messages = read_all(input, 1);
  ASSERT_TRUE(messages.has_value());
  ASSERT_EQ(messages->size(), 4U);
  EXPECT_EQ((*messages)[0].timestamp_ms, 100U);
  EXPECT_EQ((*messages)[1].timestamp_ms, 120U);
  EXPECT_EQ((*messages)[1].type, kRtmpVideo);
  EXPECT_EQ((*messages)[2].timestamp_ms, 150U);
  EXPECT_EQ((*messages)[3].timestamp_ms, 180U);
  EXPECT_EQ((*messages)[3].body, bytes_of({0xae}));
  EXPECT_EQ((*messages)[3].stream_id, 1U);
}

TEST(RtmpChunk, long_chunk_stream_ids_are_read) {
  const base::Bytes two = bytes_of({0x00, 6, 0, 0, 0, 0, 0, 1, 8, 1, 0, 0, 0, 0x11});
  const base::Bytes three = bytes_of({0x01, 6, 1, 0, 0, 0, 0, 0, 1, 9, 1, 0, 0, 0, 0x22});
  const auto messages = read_all(two + three + bytes_of({0xc0, 6, 0x33}) + bytes_of({0xc1, 6, 1, 0x44}), 1);
  ASSERT_TRUE(messages.has_value());
  ASSERT_EQ(messages->size(), 4U);
  EXPECT_EQ((*messages)[2].type, kRtmpAudio);
  EXPECT_EQ((*messages)[3].type, kRtmpVideo);
}

TEST(RtmpChunk, extended_timestamps_are_read_whether_type_3_chunks_repeat_them_or_not) {
  const std::uint32_t time_ms = 0x0123'4567;
  const base::Bytes repeated = chunks(6, {kRtmpVideo, time_ms, 1, body_of(300)});
  base::Bytes left_out = repeated;
  const std::size_t second = 12 + 4 + 128;
  const std::size_t third = second + 1 + 4 + 128;
  left_out.erase(left_out.begin() + static_cast<std::ptrdiff_t>(third + 1), left_out.begin() + static_cast<std::ptrdiff_t>(third + 5));
  left_out.erase(left_out.begin() + static_cast<std::ptrdiff_t>(second + 1), left_out.begin() + static_cast<std::ptrdiff_t>(second + 5));
  for (const base::Bytes& input : {repeated, left_out}) {
    for (const std::size_t piece : {1U, 5U, 1000U}) {
      const auto messages = read_all(input, piece);
      ASSERT_TRUE(messages.has_value());
      ASSERT_EQ(messages->size(), 1U);
      EXPECT_EQ((*messages)[0].timestamp_ms, time_ms);
      EXPECT_EQ((*messages)[0].body, body_of(300));
    }
  }
}

TEST(RtmpChunk, an_extended_delta_is_added) {
  const base::Bytes input =
      bytes_of({0x04, 0, 0, 5, 0, 0, 1, 8, 1, 0, 0, 0, 0xaa}) + bytes_of({0x84, 0xff, 0xff, 0xff, 0x01, 0x00, 0x00, 0x00, 0xab});
  const auto messages = read_all(input, 1);
  ASSERT_TRUE(messages.has_value());
  ASSERT_EQ(messages->size(), 2U);
  EXPECT_EQ((*messages)[1].timestamp_ms, 0x0100'0005U);
}

TEST(RtmpChunk, the_chunk_size_is_obeyed) {
  const auto messages = read_all(set_chunk_size(4096) + chunks(6, {kRtmpVideo, 1, 1, body_of(10'000)}, 4096), 100);
  ASSERT_TRUE(messages.has_value());
  ASSERT_EQ(messages->size(), 1U);
  EXPECT_EQ((*messages)[0].body, body_of(10'000));
}

TEST(RtmpChunk, a_chunk_size_of_zero_ends_the_connection) { EXPECT_EQ(read_all(set_chunk_size(0)).error(), RtmpFault::bad_chunk); }

TEST(RtmpChunk, an_aborted_message_is_dropped) {
  base::Bytes begun = chunks(6, {kRtmpVideo, 1, 1, body_of(200)});
  begun.resize(12 + 128);
  RtmpChunkReader reader{kRtmpLimitsLive};
  const base::Bytes input = begun + chunks(2, {kRtmpAbort, 0, 0, bytes_of({0, 0, 0, 6})}) + bytes_of({0xc6}) + body_of(128, 3) +
                            bytes_of({0xc6}) + body_of(72, 4);
  const auto messages = read_all(reader, input, 50);
  ASSERT_TRUE(messages.has_value());
  ASSERT_EQ(messages->size(), 1U);
  EXPECT_EQ((*messages)[0].body, body_of(128, 3) + body_of(72, 4));
  EXPECT_EQ(reader.unfinished_bytes(), 0U);
}

TEST(RtmpChunk, a_header_that_continues_nothing_is_refused) { EXPECT_EQ(read_all(bytes_of({0xc5})).error(), RtmpFault::bad_chunk); }

TEST(RtmpChunk, an_announced_message_beyond_the_limit_is_refused_before_it_comes) {
  RtmpChunkReader reader{{.unfinished_bytes = 1000}};
  EXPECT_EQ(read_all(reader, bytes_of({0x04, 0, 0, 0, 0, 0x03, 0xe9, 9, 1, 0, 0, 0}), 100).error(), RtmpFault::message_too_large);
}

TEST(RtmpChunk, unfinished_messages_together_are_bounded) {
  RtmpChunkReader reader{{.unfinished_bytes = 1000}};
  base::Bytes input;
  for (std::uint8_t stream = 3; stream < 20; ++stream) {
    base::Bytes begun = chunks(stream, {kRtmpVideo, 1, 1, body_of(900)});
    begun.resize(12 + 128);
    input = input + begun;
  }
  EXPECT_EQ(read_all(reader, input, 64).error(), RtmpFault::message_too_large);
  EXPECT_LE(reader.unfinished_bytes(), 1000U + 128U);
}

TEST(RtmpChunk, the_number_of_chunk_streams_is_bounded) {
  RtmpChunkReader reader{kRtmpLimitsLive};
  base::Bytes input;
  for (std::uint8_t stream = 3; stream < 60; ++stream) input = input + chunks(stream, {kRtmpVideo, 1, 1, body_of(1)});
  EXPECT_EQ(read_all(reader, input, 64).error(), RtmpFault::too_many_streams);
  EXPECT_EQ(reader.chunk_streams(), kMaxRtmpChunkStreams);
}

RC_GTEST_PROP(RtmpChunk, what_the_writer_writes_the_reader_reads, ()) {
  const auto size = *rc::gen::inRange<std::size_t>(0, 5000);
  const auto chunk_size = *rc::gen::inRange<std::uint32_t>(1, 3000);
  const auto time_ms = *rc::gen::arbitrary<std::uint32_t>();
  const auto piece = *rc::gen::inRange<std::size_t>(1, 600);
  const RtmpMessage message{kRtmpVideo, time_ms, *rc::gen::arbitrary<std::uint32_t>(), body_of(size, time_ms)};
  const auto messages = read_all(set_chunk_size(chunk_size) + chunks(6, message, chunk_size), piece);
  RC_ASSERT(messages.has_value());
  RC_ASSERT(messages->size() == 1U);
  RC_ASSERT(messages->front().body == message.body);
  RC_ASSERT(messages->front().timestamp_ms == message.timestamp_ms);
  RC_ASSERT(messages->front().stream_id == message.stream_id);
}

RC_GTEST_PROP(RtmpChunk, random_bytes_are_survived_in_bounded_memory, (const std::vector<std::uint8_t>& noise)) {
  RtmpChunkReader reader{{.unfinished_bytes = 4096}};
  base::Bytes input;
  for (const std::uint8_t byte : noise) input.push_back(static_cast<std::byte>(byte));
  for (int i = 0; i < 20; ++i) static_cast<void>(read_all(reader, input, 37));
  RC_ASSERT(reader.unfinished_bytes() <= 4096U + 4096U);
  RC_ASSERT(reader.chunk_streams() <= kMaxRtmpChunkStreams);
}

}  // namespace
}  // namespace runnel::media_helper
