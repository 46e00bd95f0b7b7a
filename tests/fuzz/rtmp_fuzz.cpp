// A whole RTMP connection from a hostile publisher. The first byte chooses how far the session has come before the rest arrives
// and how that is cut into pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "media_helper/rtmp_session.hpp"

using namespace runnel;
using media_helper::Amf0Value;
using media_helper::RtmpSession;

namespace {

void append_command(const std::vector<Amf0Value>& values, base::Bytes& out) {
  media_helper::RtmpMessage message{media_helper::kRtmpCommandAmf0, 0, 1, {}};
  for (const Amf0Value& value : values) media_helper::encode_amf0(value, message.body);
  media_helper::RtmpChunkWriter{}.write(3, message, out);
}

base::Bytes opening(unsigned steps) {
  base::Bytes out;
  if (steps >= 1) {
    out.resize(1 + 2 * 1536);
    out.front() = std::byte{3};
  }
  if (steps >= 2) append_command({Amf0Value{"connect"}, Amf0Value{1.0}, Amf0Value{Amf0Value::Object{{"app", Amf0Value{"live"}}}}}, out);
  if (steps >= 3) {
    append_command({Amf0Value{"createStream"}, Amf0Value{2.0}, Amf0Value{}}, out);
    append_command({Amf0Value{"publish"}, Amf0Value{3.0}, Amf0Value{}, Amf0Value{"KEY"}, Amf0Value{"live"}}, out);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  RtmpSession session{{.app = "live", .key = "KEY", .claim = [] { return true; }}};
  if (!session.receive(opening(data[0] & 3U))) std::abort();
  if ((data[0] & 3U) < 3 && session.state() == RtmpSession::State::publishing) std::abort();
  base::ByteView rest = std::as_bytes(std::span{data + 1, size - 1});
  const std::size_t piece = 1 + (data[0] >> 2U) * 5U;
  std::size_t flv_bytes = 0;
  while (!rest.empty()) {
    const std::size_t now = std::min(piece, rest.size());
    const auto received = session.receive(rest.first(now));
    flv_bytes += session.take_flv().size();
    if (session.take_output().size() > 64 * 1024) std::abort();  // a piece of at most 316 bytes cannot ask for more
    if (!received) break;
    rest = rest.subspan(now);
  }
  // Nothing of somebody without the key reaches the demuxer.
  if (session.state() != RtmpSession::State::publishing && session.state() != RtmpSession::State::ended && flv_bytes > 0) std::abort();
  return 0;
}
