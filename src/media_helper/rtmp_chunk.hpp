// RTMP chunk streams (Adobe RTMP 1.0, 5.3): bytes to messages and back. Pure: no socket, no clock.
#pragma once
#include <cstdint>
#include <expected>
#include <map>
#include <optional>

#include "base/bytes.hpp"
#include "media_helper/rtmp_fault.hpp"

namespace runnel::media_helper {

// Message types, 5.4 and 7.1.
enum : std::uint8_t {
  kRtmpSetChunkSize = 1,
  kRtmpAbort = 2,
  kRtmpAcknowledgement = 3,
  kRtmpUserControl = 4,
  kRtmpWindowAckSize = 5,
  kRtmpSetPeerBandwidth = 6,
  kRtmpAudio = 8,
  kRtmpVideo = 9,
  kRtmpDataAmf3 = 15,
  kRtmpSharedObjectAmf3 = 16,
  kRtmpCommandAmf3 = 17,
  kRtmpDataAmf0 = 18,
  kRtmpSharedObjectAmf0 = 19,
  kRtmpCommandAmf0 = 20,
  kRtmpAggregate = 22,
};

struct RtmpMessage {
  std::uint8_t type = 0;
  std::uint32_t timestamp_ms = 0;  // wraps at 2^32
  std::uint32_t stream_id = 0;     // the message stream, not the chunk stream
  base::Bytes body;
};

struct RtmpChunkLimits {
  // Unfinished messages of all chunk streams together, hence also one message.
  std::size_t unfinished_bytes = 0;
};
constexpr RtmpChunkLimits kRtmpLimitsBeforePublish{std::size_t{64} << 10};  // commands only: connect is about 300 bytes
constexpr RtmpChunkLimits kRtmpLimitsLive{std::size_t{8} << 20};            // the largest key frame of 2160p at 50 Mb/s is about 2 MB
constexpr std::size_t kMaxRtmpChunkStreams = 32;                            // publishers use up to six
constexpr std::uint32_t kMaxRtmpChunkSize = 0xff'ffff;                      // 5.4.1: messages are not larger
constexpr std::uint32_t kRtmpInitialChunkSize = 128;                        // 5.4.1

// Puts messages together. Set Chunk Size and Abort are obeyed here and not handed out. One owning thread.
class RtmpChunkReader {
 public:
  explicit RtmpChunkReader(RtmpChunkLimits limits = kRtmpLimitsBeforePublish) : limits_(limits) {}
  void set_limits(RtmpChunkLimits limits) { limits_ = limits; }

  // Bytes as they came from the socket, cut anywhere.
  void append(base::ByteView bytes);
  // The next finished message; nullopt when more bytes are needed. Call until then before the next append().
  // Errors: bad_chunk, too_many_streams, message_too_large; the connection cannot go on after one.
  [[nodiscard]] std::expected<std::optional<RtmpMessage>, RtmpFault> next();

  [[nodiscard]] std::size_t unfinished_bytes() const { return unfinished_bytes_; }
  [[nodiscard]] std::size_t chunk_streams() const { return streams_.size(); }

 private:
  struct Stream {
    std::uint8_t type = 0;
    std::uint32_t length_bytes = 0;
    std::uint32_t stream_id = 0;
    std::uint32_t timestamp_ms = 0;  // of the current message, or the last one
    std::uint32_t delta_ms = 0;      // what a type 3 header adds; after a type 0 header its time stamp (5.3.1.2.4)
    std::optional<std::uint32_t> extended;
    bool in_message = false;
    base::Bytes body;
  };
  struct Header {
    std::uint8_t format = 0;
    std::uint32_t chunk_stream = 0;
    std::uint32_t time_ms = 0;  // absolute or a delta, by format
    std::uint32_t length_bytes = 0;
    std::uint8_t type = 0;
    std::uint32_t stream_id = 0;
    std::optional<std::uint32_t> extended;
    std::size_t size_bytes = 0;
  };

  [[nodiscard]] std::optional<Header> parse_header() const;
  [[nodiscard]] std::expected<void, RtmpFault> begin_chunk(const Header& header);
  void take_body();
  [[nodiscard]] std::optional<RtmpMessage> finish_message();
  [[nodiscard]] std::expected<void, RtmpFault> obey_control(const RtmpMessage& message);
  void abort_message(std::uint32_t chunk_stream);

  RtmpChunkLimits limits_;
  std::uint32_t chunk_size_ = kRtmpInitialChunkSize;
  std::map<std::uint32_t, Stream> streams_;
  base::Bytes input_;  // from input_used_bytes_ on: what append() gave and next() did not use yet
  std::size_t input_used_bytes_ = 0;
  Stream* current_ = nullptr;           // whose chunk is being read; map nodes stay where they are
  std::uint32_t chunk_left_bytes_ = 0;  // of the body of that chunk
  std::size_t unfinished_bytes_ = 0;
};

// Cuts messages into chunks: type 0 first, type 3 for the rest.
class RtmpChunkWriter {
 public:
  // Takes effect with the next message; the caller has sent Set Chunk Size before.
  void set_chunk_size(std::uint32_t size) { chunk_size_ = size; }
  void write(std::uint8_t chunk_stream, const RtmpMessage& message, base::Bytes& out) const;

 private:
  std::uint32_t chunk_size_ = kRtmpInitialChunkSize;
};

}  // namespace runnel::media_helper
