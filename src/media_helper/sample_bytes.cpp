#include "media_helper/sample_bytes.hpp"

extern "C" {
#include <libavutil/mem.h>
}
#include <algorithm>
#include <array>

#include "media_helper/codec_string.hpp"

namespace runnel::media_helper {
namespace {

constexpr std::size_t kAdtsHeaderBytes = 7;        // 9 with a checksum; ISO/IEC 13818-7 6.2
constexpr std::uint8_t kAccessUnitDelimiter = 9;   // ITU-T H.264 table 7-1; MP4 samples are delimited by themselves
constexpr std::array<int, 13> kAacRates{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350};

unsigned octet(base::ByteView bytes, std::size_t at) { return std::to_integer<unsigned>(bytes[at]); }

base::ByteView without_adts(base::ByteView packet) {
  if (packet.size() < kAdtsHeaderBytes || octet(packet, 0) != 0xff || (octet(packet, 1) & 0xf6U) != 0xf0) return packet;
  const bool has_checksum = (octet(packet, 1) & 1U) == 0;
  return packet.subspan(std::min(packet.size(), kAdtsHeaderBytes + (has_checksum ? 2 : 0)));
}

// A temporal delimiter OBU with a size field of zero (AV1 5.3.2), as IVF and transport streams have it in front.
base::ByteView without_delimiter(base::ByteView packet) {
  return packet.size() >= 2 && octet(packet, 0) == 0x12 && octet(packet, 1) == 0 ? packet.subspan(2) : packet;
}

}  // namespace

bool lacks_configuration(const AVCodecParameters& parameters) {
  return parameters.codec_id == AV_CODEC_ID_AAC && parameters.extradata_size < 2;
}

bool add_aac_configuration(AVCodecParameters& parameters) {
  const auto* const rate = std::ranges::find(kAacRates, parameters.sample_rate);
  const int channels = parameters.ch_layout.nb_channels;
  if (rate == kAacRates.end() || channels < 1 || channels > 8 || channels == 7) return false;
  constexpr unsigned kLowComplexity = 2;
  const auto frequency = static_cast<unsigned>(rate - kAacRates.begin());
  const unsigned layout = channels == 8 ? 7 : static_cast<unsigned>(channels);
  const unsigned bits = kLowComplexity << 11 | frequency << 7 | layout << 3;
  av_freep(&parameters.extradata);
  parameters.extradata = static_cast<std::uint8_t*>(av_mallocz(2 + AV_INPUT_BUFFER_PADDING_SIZE));
  if (parameters.extradata == nullptr) return false;
  parameters.extradata_size = 2;
  parameters.extradata[0] = static_cast<std::uint8_t>(bits >> 8);
  parameters.extradata[1] = static_cast<std::uint8_t>(bits);
  return true;
}

std::size_t append_sample(const AVCodecParameters& parameters, base::ByteView packet, base::Bytes& out) {
  const std::size_t before = out.size();
  base::Writer writer{out};
  switch (parameters.codec_id) {   // a third party's enum of hundreds
    case AV_CODEC_ID_H264:
      if (h264_length_bytes(extradata(parameters)) != 0) {
        writer.write_view(packet);
        break;
      }
      for (const base::ByteView nal : h264_nals(packet, 0)) {
        if (nal.empty() || h264_nal_type(nal) == kAccessUnitDelimiter) continue;
        writer.write(static_cast<std::uint32_t>(nal.size()));
        writer.write_view(nal);
      }
      break;
    case AV_CODEC_ID_AAC: writer.write_view(lacks_configuration(parameters) ? without_adts(packet) : packet); break;
    case AV_CODEC_ID_AV1: writer.write_view(without_delimiter(packet)); break;
    default: writer.write_view(packet); break;
  }
  return out.size() - before;
}

}  // namespace runnel::media_helper
