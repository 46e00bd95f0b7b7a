// Everything that ends an RTMP connection.
#pragma once
#include <cstdint>
#include <string_view>

namespace runnel::media_helper {

enum class RtmpFault : std::uint8_t {
  bad_handshake,      // the first byte is not RTMP version 3
  bad_chunk,          // a chunk header that continues nothing, or a size out of range
  too_many_streams,   // more chunk streams than any publisher uses
  message_too_large,  // a message, or all unfinished ones together, beyond the limit
  bad_amf,            // a command that is no AMF0
  bad_command_order,  // publish before connect, media before publish, ...
  wrong_application,
  wrong_key,
  busy,                 // another publisher is live
  not_a_publisher,      // asked to play
  unsupported_codec,    // Enhanced RTMP: FFmpeg 5.1's FLV demuxer does not know it
  unsupported_message,  // aggregate messages, shared objects
};

// What a user can act on; the address is put before it.
[[nodiscard]] constexpr std::string_view message(RtmpFault fault) {
  switch (fault) {
    case RtmpFault::bad_handshake: return "sent something that is not RTMP";
    case RtmpFault::bad_chunk: return "sent a malformed RTMP chunk";
    case RtmpFault::too_many_streams: return "used too many RTMP chunk streams";
    case RtmpFault::message_too_large: return "sent an RTMP message beyond the size limit";
    case RtmpFault::bad_amf: return "sent a malformed RTMP command";
    case RtmpFault::bad_command_order: return "sent RTMP commands out of order";
    case RtmpFault::wrong_application: return "named the wrong application: check the server URL in the encoder's settings";
    case RtmpFault::wrong_key: return "used the wrong stream key";
    case RtmpFault::busy: return "has the right key, but another publisher is live: stop that one first";
    case RtmpFault::not_a_publisher: return "asked to play; this address only takes a publisher";
    case RtmpFault::unsupported_codec:
      return "sends HEVC, AV1 or another codec of Enhanced RTMP, which is not supported: choose H.264 and AAC, or publish by SRT";
    case RtmpFault::unsupported_message: return "uses a part of RTMP that is not supported (aggregate messages or shared objects)";
  }
  return "ended";
}

}  // namespace runnel::media_helper
