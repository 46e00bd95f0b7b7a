#include "media_helper/rtmp_flv.hpp"

namespace runnel::media_helper {
namespace {

constexpr std::uint32_t kFlvHeaderBytes = 9;
constexpr std::uint32_t kFlvTagHeaderBytes = 11;

void write_u24(base::Writer& writer, std::uint32_t value) {
  writer.write(static_cast<std::uint8_t>(value >> 16));
  writer.write(static_cast<std::uint16_t>(value));
}

}  // namespace

void write_flv_header(FlvStreams streams, base::Bytes& out) {
  base::Writer writer{out};
  writer.write_view(base::as_bytes("FLV\x01"));
  writer.write(static_cast<std::uint8_t>((streams.audio ? 4 : 0) | (streams.video ? 1 : 0)));  // E.2
  writer.write(kFlvHeaderBytes);
  writer.write(std::uint32_t{0});  // size of the tag before the first
}

void write_flv_tag(const RtmpMessage& message, base::Bytes& out) {
  base::Writer writer{out};
  const auto size = static_cast<std::uint32_t>(message.body.size());
  writer.write(message.type);
  write_u24(writer, size);
  write_u24(writer, message.timestamp_ms & 0xff'ffffU);
  writer.write(static_cast<std::uint8_t>(message.timestamp_ms >> 24));  // E.4.1: the upper byte comes last
  write_u24(writer, 0);                                                 // stream id, always 0
  writer.write_view(message.body);
  writer.write(kFlvTagHeaderBytes + size);
}

bool is_unknown_to_demuxer(const RtmpMessage& message) {
  if (message.body.empty()) return false;
  const auto first = std::to_integer<unsigned>(message.body.front());
  // Enhanced RTMP v1: the top bit of a video tag; v2: sound format 9. E.4.3.1 ends with AVC, 7; FFmpeg 5.1 goes to 9.
  if (message.type == kRtmpVideo) return (first & 0x80U) != 0 || (first & 0x0fU) > 9;
  return message.type == kRtmpAudio && first >> 4 == 9;
}

}  // namespace runnel::media_helper
