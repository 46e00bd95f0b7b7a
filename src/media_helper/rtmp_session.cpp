#include "media_helper/rtmp_session.hpp"

#include <algorithm>
#include <array>

#include "media_helper/publish_url.hpp"

namespace runnel::media_helper {
namespace {

// Adobe RTMP 1.0, 5.2: C0 is a version byte, C1, C2, S1 and S2 have 1536 bytes.
constexpr std::uint8_t kRtmpVersion = 3;
constexpr std::size_t kHandshakePartBytes = 1536;
constexpr std::size_t kHandshakeBytes = 1 + 2 * kHandshakePartBytes;

constexpr std::uint32_t kOurChunkSize = 4096;
// Half a second of 40 Mb/s; only a hint for how often either side acknowledges.
constexpr std::uint32_t kOurAckWindowBytes = 2'500'000;
constexpr std::uint8_t kPeerBandwidthDynamic = 2;  // 5.4.5
constexpr std::uint8_t kControlChunkStream = 2;    // 5.4
constexpr std::uint8_t kStreamChunkStream = 5;
constexpr std::uint32_t kMediaStreamId = 1;                                      // there is one stream per connection
constexpr std::uint32_t kMaxCreatedStreams = 8;                                  // some encoders create one per try
enum : std::uint16_t { kStreamBegin = 0, kPingRequest = 6, kPingResponse = 7 };  // 7.1.7

std::string_view text_at(const std::vector<Amf0Value>& values, std::size_t index) {
  if (index >= values.size()) return {};
  const std::string* text = values[index].text();
  return text == nullptr ? std::string_view{} : std::string_view{*text};
}

double number_at(const std::vector<Amf0Value>& values, std::size_t index) {
  const double* number = index < values.size() ? values[index].number() : nullptr;
  return number == nullptr ? 0 : *number;
}

Amf0Value status(std::string_view level, std::string_view code, std::string_view description) {
  return Amf0Value{Amf0Value::Object{{"level", Amf0Value{level}}, {"code", Amf0Value{code}}, {"description", Amf0Value{description}}}};
}

std::string_view without_slashes_at_end(std::string_view text) {
  while (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

}  // namespace

RtmpSession::RtmpSession(RtmpSessionConfig config) : config_(std::move(config)) {}

RtmpSession::Result RtmpSession::receive(base::ByteView bytes) {
  const std::size_t received = bytes.size();
  if (state_ == State::handshake) {
    if (auto done = take_handshake(bytes); !done) return done;
  }
  if (state_ == State::handshake || state_ == State::ended) return {};
  acknowledge(received);
  reader_.append(bytes);
  while (state_ != State::ended) {
    auto message = reader_.next();
    if (!message) return std::unexpected(message.error());
    if (!*message) break;
    if (auto handled = handle(**message); !handled) return handled;
  }
  return {};
}

RtmpSession::Result RtmpSession::take_handshake(base::ByteView& bytes) {
  const std::size_t size = std::min(bytes.size(), kHandshakeBytes - handshake_.size());
  handshake_.insert(handshake_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  bytes = bytes.subspan(size);
  if (handshake_.empty()) return {};
  if (std::to_integer<std::uint8_t>(handshake_.front()) != kRtmpVersion) return std::unexpected(RtmpFault::bad_handshake);
  if (!answered_handshake_ && handshake_.size() >= 1 + kHandshakePartBytes) {
    answered_handshake_ = true;
    output_.push_back(std::byte{kRtmpVersion});
    // S1: time 0 and version 0 say that this is the plain handshake without digests; what follows need only be filler.
    output_.resize(output_.size() + kHandshakePartBytes);
    const base::ByteView c1 = base::ByteView{handshake_}.subspan(1, kHandshakePartBytes);
    output_.insert(output_.end(), c1.begin(), c1.end());  // S2 repeats C1
  }
  if (handshake_.size() == kHandshakeBytes) {
    // C2 should repeat S1, but encoders that try digests send something else: it proves nothing, so it is not checked.
    handshake_ = {};
    state_ = State::commands;
  }
  return {};
}

RtmpSession::Result RtmpSession::handle(const RtmpMessage& message) {
  switch (message.type) {
    case kRtmpWindowAckSize:
      if (message.body.size() >= 4) ack_window_bytes_ = base::load_big_endian<std::uint32_t>(message.body.data());
      return {};
    case kRtmpUserControl: handle_user_control(message); return {};
    case kRtmpAcknowledgement:
    case kRtmpSetPeerBandwidth: return {};
    case kRtmpCommandAmf0:
    case kRtmpCommandAmf3: return handle_command(message);
    case kRtmpAudio:
    case kRtmpVideo: return on_media(message);
    case kRtmpDataAmf0: return on_data(message.body);
    case kRtmpDataAmf3:
      if (message.body.empty()) return std::unexpected(RtmpFault::bad_amf);
      return on_data(base::ByteView{message.body}.subspan(1));
    case kRtmpAggregate:
    case kRtmpSharedObjectAmf0:
    case kRtmpSharedObjectAmf3: return std::unexpected(RtmpFault::unsupported_message);
    default: return {};  // types that nobody has defined
  }
}

void RtmpSession::handle_user_control(const RtmpMessage& message) {
  base::Reader reader{message.body};
  const auto event = reader.read<std::uint16_t>();
  const auto value = reader.read<std::uint32_t>();
  if (event != kPingRequest || !value) return;
  base::Bytes body;
  base::Writer writer{body};
  writer.write(std::uint16_t{kPingResponse});
  writer.write(*value);
  send({kControlChunkStream, 0}, kRtmpUserControl, std::move(body));
}

RtmpSession::Result RtmpSession::handle_command(const RtmpMessage& message) {
  base::ByteView body{message.body};
  // An AMF3 command starts with a format byte; 0 means that AMF0 follows, and no encoder sends another.
  if (message.type == kRtmpCommandAmf3) {
    if (body.empty() || body.front() != std::byte{0}) return std::unexpected(RtmpFault::bad_amf);
    body = body.subspan(1);
  }
  const auto command = decode_amf0(body);
  if (!command || command->empty() || command->front().text() == nullptr) return std::unexpected(RtmpFault::bad_amf);
  const std::string_view name = text_at(*command, 0);
  if (name == "connect") return on_connect(*command);
  if (!connected_) return std::unexpected(RtmpFault::bad_command_order);
  if (name == "createStream") return on_create_stream(*command);
  if (name == "publish") return on_publish(*command);
  if (name == "play" || name == "play2") return std::unexpected(RtmpFault::not_a_publisher);
  if (name == "FCUnpublish" || name == "deleteStream" || name == "closeStream") {
    if (state_ == State::publishing) state_ = State::ended;
    return {};
  }
  // releaseStream and FCPublish want an answer from some encoders; of the others none does.
  if (name == "releaseStream" || name == "FCPublish") {
    send_command({}, {Amf0Value{"_result"}, Amf0Value{number_at(*command, 1)}, Amf0Value{}, Amf0Value{}});
  }
  return {};
}

RtmpSession::Result RtmpSession::on_connect(const Values& command) {
  if (connected_ || command.size() < 3) return std::unexpected(RtmpFault::bad_command_order);
  const Amf0Value* app = command[2].find("app");
  if (app == nullptr || app->text() == nullptr) return std::unexpected(RtmpFault::bad_amf);
  app_ = without_slashes_at_end(*app->text());
  const double transaction = number_at(command, 1);
  // Some encoders have one field for the whole URL: the key then comes as part of the application.
  const bool right_app = app_ == config_.app;
  const bool whole_url = equal_in_constant_time(app_, config_.app + '/' + config_.key);
  if (!right_app && !whole_url) {
    send_command({}, {Amf0Value{"_error"}, Amf0Value{transaction}, Amf0Value{},
                      status("error", "NetConnection.Connect.Rejected", "There is no such application here.")});
    return std::unexpected(RtmpFault::wrong_application);
  }
  connected_ = true;
  send_u32(kRtmpWindowAckSize, kOurAckWindowBytes);
  base::Bytes bandwidth;
  base::Writer writer{bandwidth};
  writer.write(kOurAckWindowBytes);
  writer.write(kPeerBandwidthDynamic);
  send({kControlChunkStream, 0}, kRtmpSetPeerBandwidth, std::move(bandwidth));
  send_u32(kRtmpSetChunkSize, kOurChunkSize);
  writer_.set_chunk_size(kOurChunkSize);
  Amf0Value info = status("status", "NetConnection.Connect.Success", "Connection succeeded.");
  std::get<Amf0Value::Object>(info.value).push_back({"objectEncoding", Amf0Value{0.0}});
  // The version that encoders know from Adobe's server; some look for its presence.
  const Amf0Value properties{Amf0Value::Object{{"fmsVer", Amf0Value{"FMS/3,0,1,123"}}, {"capabilities", Amf0Value{31.0}}}};
  send_command({}, {Amf0Value{"_result"}, Amf0Value{transaction}, properties, info});
  return {};
}

RtmpSession::Result RtmpSession::on_create_stream(const Values& command) {
  if (++created_streams_ > kMaxCreatedStreams) return std::unexpected(RtmpFault::bad_command_order);
  send_command({}, {Amf0Value{"_result"}, Amf0Value{number_at(command, 1)}, Amf0Value{}, Amf0Value{double{kMediaStreamId}}});
  return {};
}

std::unexpected<RtmpFault> RtmpSession::refuse_publish(RtmpFault why) {
  send_command({kStreamChunkStream, kMediaStreamId},
               {Amf0Value{"onStatus"}, Amf0Value{0.0}, Amf0Value{},
                status("error", "NetStream.Publish.BadName",
                       why == RtmpFault::busy ? "Another publisher is live with this key." : "This stream key is not accepted.")});
  return std::unexpected(why);
}

RtmpSession::Result RtmpSession::on_publish(const Values& command) {
  if (state_ != State::commands || created_streams_ == 0) return std::unexpected(RtmpFault::bad_command_order);
  const std::string_view name = text_at(command, 3);
  const std::string given = name.empty() ? app_ : app_ + '/' + std::string{name};
  if (!equal_in_constant_time(given, config_.app + '/' + config_.key)) return refuse_publish(RtmpFault::wrong_key);
  if (!config_.claim()) return refuse_publish(RtmpFault::busy);

  state_ = State::publishing;
  reader_.set_limits(kRtmpLimitsLive);
  base::Bytes begin;
  base::Writer writer{begin};
  writer.write(std::uint16_t{kStreamBegin});
  writer.write(kMediaStreamId);
  send({kControlChunkStream, 0}, kRtmpUserControl, std::move(begin));
  send_command({kStreamChunkStream, kMediaStreamId},
               {Amf0Value{"onStatus"}, Amf0Value{0.0}, Amf0Value{}, status("status", "NetStream.Publish.Start", "You are live.")});
  return {};
}

RtmpSession::Result RtmpSession::on_media(const RtmpMessage& message) {
  if (state_ != State::publishing) return std::unexpected(RtmpFault::bad_command_order);
  if (message.body.empty()) return {};
  if (is_unknown_to_demuxer(message)) {
    send_command({kStreamChunkStream, kMediaStreamId},
                 {Amf0Value{"onStatus"}, Amf0Value{0.0}, Amf0Value{},
                  status("error", "NetStream.Publish.Rejected", "Only H.264 and AAC can be taken: change the encoder's settings.")});
    return std::unexpected(RtmpFault::unsupported_codec);
  }
  begin_flv();
  write_flv_tag(message, flv_);
  return {};
}

RtmpSession::Result RtmpSession::on_data(base::ByteView body) {
  if (state_ != State::publishing) return std::unexpected(RtmpFault::bad_command_order);
  const auto values = decode_amf0(body);
  if (!values || values->empty()) return std::unexpected(RtmpFault::bad_amf);
  // FLV has the same data without the command before it.
  const std::size_t first = text_at(*values, 0) == "@setDataFrame" ? 1 : 0;
  if (text_at(*values, first) != "onMetaData" || values->size() < first + 2) return {};
  const Amf0Value& metadata = (*values)[first + 1];
  const bool audio = metadata.find("audiocodecid") != nullptr;
  const bool video = metadata.find("videocodecid") != nullptr;
  if (audio || video) flv_streams_ = {audio, video};
  begin_flv();
  // Written anew from what was understood, so that the demuxer sees no byte of it that was not.
  // At time 0: FFmpeg's demuxer makes a data stream of script tags at other times.
  RtmpMessage tag{kRtmpDataAmf0, 0, 0, {}};
  encode_amf0(Amf0Value{"onMetaData"}, tag.body);
  encode_amf0(metadata, tag.body);
  write_flv_tag(tag, flv_);
  return {};
}

void RtmpSession::begin_flv() {
  if (flv_begun_) return;
  flv_begun_ = true;
  write_flv_header(flv_streams_, flv_);
}

// 5.4.3: an Acknowledgement after every window of bytes received.
void RtmpSession::acknowledge(std::size_t received_bytes) {
  received_bytes_ += static_cast<std::uint32_t>(received_bytes);
  const std::uint32_t window = ack_window_bytes_ == 0 ? kOurAckWindowBytes : std::max(ack_window_bytes_, kOurChunkSize);
  if (received_bytes_ - acknowledged_bytes_ < window) return;
  acknowledged_bytes_ = received_bytes_;
  send_u32(kRtmpAcknowledgement, received_bytes_);
}

void RtmpSession::send(const Reply& where, std::uint8_t type, base::Bytes body) {
  writer_.write(where.chunk_stream, {type, 0, where.stream_id, std::move(body)}, output_);
}

void RtmpSession::send_command(const Reply& where, const Values& values) {
  base::Bytes body;
  for (const Amf0Value& value : values) encode_amf0(value, body);
  send(where, kRtmpCommandAmf0, std::move(body));
}

void RtmpSession::send_u32(std::uint8_t type, std::uint32_t value) {
  base::Bytes body;
  base::Writer{body}.write(value);
  send({kControlChunkStream, 0}, type, std::move(body));
}

}  // namespace runnel::media_helper
