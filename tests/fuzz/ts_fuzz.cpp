// CMAF of a live stream on its way into MPEG-TS, as a stranger may have signed it: pieces with a length in front, the first byte of each
// telling what it is. Whatever goes in, whole packets come out.
#include "base/check.hpp"
#include "fuzz/input.hpp"
#include "media_helper/ffmpeg.hpp"
#include "media_helper/ts_muxer.hpp"

using namespace runnel;
using namespace runnel::media_helper;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kPacket = 188;
  av_log_set_level(AV_LOG_QUIET);
  fuzz::Input input{data, size};
  TsMuxer muxer;
  for (int pieces = 0; pieces < 16 && !input.empty(); ++pieces) {
    const std::uint8_t choice = input.octet();
    const base::ByteView piece = input.bytes(input.word());
    if (choice % 4 == 0) {
      const auto done = muxer.init(piece);
      base::check(done || !done.error().empty(), "every error has a text");
      continue;
    }
    const base::Bytes packets = muxer.chunk(piece, choice % 4 == 1);
    base::check(packets.size() % kPacket == 0, "whole packets");
    for (std::size_t at = 0; at < packets.size(); at += kPacket)
      base::check(packets[at] == std::byte{0x47}, "each begins with the sync byte");
  }
  return 0;
}
