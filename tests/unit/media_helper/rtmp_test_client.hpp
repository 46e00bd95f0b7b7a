// What an encoder sends over RTMP, for tests: the bytes of a session, and a blocking socket that sends them.
#pragma once
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "media_helper/rtmp_amf0.hpp"
#include "media_helper/rtmp_chunk.hpp"

namespace runnel::media_helper::test {

inline base::Bytes operator+(base::Bytes a, const base::Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline base::Bytes bytes_of(std::initializer_list<unsigned> values) {
  base::Bytes out;
  for (const unsigned value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

inline base::Bytes chunks(std::uint8_t chunk_stream, const RtmpMessage& message, std::uint32_t chunk_size = kRtmpInitialChunkSize) {
  RtmpChunkWriter writer;
  writer.set_chunk_size(chunk_size);
  base::Bytes out;
  writer.write(chunk_stream, message, out);
  return out;
}

inline base::Bytes handshake() {
  base::Bytes out(1 + 2 * 1536, std::byte{0x5a});
  out.front() = std::byte{3};
  return out;
}

inline base::Bytes command(const std::vector<Amf0Value>& values, std::uint32_t stream_id = 0) {
  RtmpMessage message{kRtmpCommandAmf0, 0, stream_id, {}};
  for (const Amf0Value& value : values) encode_amf0(value, message.body);
  return chunks(3, message);
}

inline base::Bytes connect(std::string_view app) {
  return command(
      {Amf0Value{"connect"}, Amf0Value{1.0}, Amf0Value{Amf0Value::Object{{"app", Amf0Value{app}}, {"flashVer", Amf0Value{"FMLE/3.0"}}}}});
}
inline base::Bytes create_stream() { return command({Amf0Value{"createStream"}, Amf0Value{2.0}, Amf0Value{}}); }
inline base::Bytes publish(std::string_view key) {
  return command({Amf0Value{"publish"}, Amf0Value{3.0}, Amf0Value{}, Amf0Value{key}, Amf0Value{"live"}}, 1);
}
inline base::Bytes up_to_publish(std::string_view app, std::string_view key) {
  return handshake() + connect(app) + create_stream() + publish(key);
}
inline base::Bytes media(std::uint8_t type, std::uint32_t timestamp_ms, base::Bytes body) {
  return chunks(type == kRtmpAudio ? 4 : 6, {type, timestamp_ms, 1, std::move(body)});
}

// Blocking. Reading gives up when the server closes.
class TestClient {
 public:
  explicit TestClient(std::uint16_t port) : socket_(io_) { socket_.connect({boost::asio::ip::address_v4::loopback(), port}); }
  // False when the connection is gone.
  bool send(const base::Bytes& bytes) {
    boost::system::error_code error;
    boost::asio::write(socket_, boost::asio::buffer(bytes), error);
    return !error;
  }
  // Everything until the server closes.
  std::string read_to_end() {
    std::string out;
    boost::system::error_code error;
    boost::asio::read(socket_, boost::asio::dynamic_buffer(out), error);
    return out;
  }
  // As an encoder ends: nothing more is sent, and what the server still says is read. Closing with answers unread would make TCP
  // throw away what is on its way to the server.
  void finish() {
    socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send);
    read_to_end();
  }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
};

}  // namespace runnel::media_helper::test
