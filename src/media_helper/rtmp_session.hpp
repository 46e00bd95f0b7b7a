// The server's side of one RTMP connection, from the handshake to the publisher's last message. Pure: bytes in; bytes back, FLV
// and the verdict out. Time-outs belong to the server that owns it.
#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "media_helper/rtmp_amf0.hpp"
#include "media_helper/rtmp_chunk.hpp"
#include "media_helper/rtmp_fault.hpp"
#include "media_helper/rtmp_flv.hpp"

namespace runnel::media_helper {

struct RtmpSessionConfig {
  std::string app;
  std::string key;
  // Asked once, when the right key was given: may this connection go live now? No (busy) if another publisher is.
  std::function<bool()> claim;
};

// One owning thread.
class RtmpSession {
 public:
  enum class State : std::uint8_t {
    handshake,
    commands,  // handshake done, not publishing yet
    publishing,
    ended,  // the publisher said goodbye (FCUnpublish, deleteStream, closeStream)
  };

  explicit RtmpSession(RtmpSessionConfig config);

  // Bytes from the socket, cut anywhere. After an error or in `ended` the connection is to be closed once take_output() is sent:
  // refusals are told to the publisher.
  [[nodiscard]] std::expected<void, RtmpFault> receive(base::ByteView bytes);

  // Bytes for the socket since the last call.
  [[nodiscard]] base::Bytes take_output() { return std::exchange(output_, {}); }
  // FLV since the last call: header first, then whole tags.
  [[nodiscard]] base::Bytes take_flv() { return std::exchange(flv_, {}); }
  [[nodiscard]] State state() const { return state_; }

 private:
  using Result = std::expected<void, RtmpFault>;
  using Values = std::vector<Amf0Value>;
  struct Reply {
    std::uint8_t chunk_stream = 3;
    std::uint32_t stream_id = 0;
  };

  Result take_handshake(base::ByteView& bytes);
  Result handle(const RtmpMessage& message);
  void handle_user_control(const RtmpMessage& message);
  Result handle_command(const RtmpMessage& message);
  Result on_connect(const Values& command);
  Result on_create_stream(const Values& command);
  Result on_publish(const Values& command);
  Result on_media(const RtmpMessage& message);
  Result on_data(base::ByteView body);
  void begin_flv();
  void acknowledge(std::size_t received_bytes);

  void send(const Reply& where, std::uint8_t type, base::Bytes body);
  void send_command(const Reply& where, const Values& values);
  void send_u32(std::uint8_t type, std::uint32_t value);
  std::unexpected<RtmpFault> refuse_publish(RtmpFault why);

  RtmpSessionConfig config_;
  State state_ = State::handshake;
  base::Bytes handshake_;  // what came of C0 C1 C2, at most kHandshakeBytes
  bool answered_handshake_ = false;
  RtmpChunkReader reader_;
  RtmpChunkWriter writer_;
  base::Bytes output_;
  base::Bytes flv_;
  std::string app_;  // as connect named it; empty before
  bool connected_ = false;
  std::uint32_t created_streams_ = 0;
  bool flv_begun_ = false;
  FlvStreams flv_streams_;
  std::uint32_t ack_window_bytes_ = 0;  // the publisher's; 0: none told yet
  std::uint32_t received_bytes_ = 0;    // wraps, as the Acknowledgement does
  std::uint32_t acknowledged_bytes_ = 0;
};

}  // namespace runnel::media_helper
