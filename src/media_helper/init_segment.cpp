#include "media_helper/init_segment.hpp"

extern "C" {
#include <libavutil/mem.h>
}
#include <algorithm>
#include <memory>

namespace runnel::media_helper {
namespace {

struct OutputDeleter {
  void operator()(AVFormatContext* format) const {
    std::uint8_t* left = nullptr;
    if (format->pb != nullptr) {
      avio_close_dyn_buf(format->pb, &left);
      av_free(left);
    }
    avformat_free_context(format);
  }
};
using OutputPtr = std::unique_ptr<AVFormatContext, OutputDeleter>;

bool add_stream(AVFormatContext& format, const AVCodecParameters& parameters, std::int32_t timescale,
                std::span<const std::uint8_t> display_matrix) {
  AVStream* stream = avformat_new_stream(&format, nullptr);
  if (stream == nullptr || avcodec_parameters_copy(stream->codecpar, &parameters) < 0) return false;
  stream->codecpar->codec_tag = 0;
  stream->time_base = {1, timescale};
  if (parameters.sample_aspect_ratio.num > 0) stream->sample_aspect_ratio = parameters.sample_aspect_ratio;
  if (display_matrix.empty()) return true;
  std::uint8_t* copy = av_stream_new_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, display_matrix.size());
  if (copy == nullptr) return false;
  std::ranges::copy(display_matrix, copy);
  return true;
}

}  // namespace

std::expected<Header, DemandError> write_header(const AVCodecParameters& parameters, std::int32_t timescale,
                                                std::span<const std::uint8_t> display_matrix) {
  const std::unexpected failed{DemandError::encoder};
  AVFormatContext* raw = nullptr;
  if (avformat_alloc_output_context2(&raw, nullptr, "mp4", nullptr) < 0) return failed;
  const OutputPtr format{raw};
  if (avio_open_dyn_buf(&format->pb) < 0) return failed;
  format->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;   // FLAC and Opus in MP4
  format->flags |= AVFMT_FLAG_BITEXACT;
  if (!add_stream(*format, parameters, timescale, display_matrix)) return failed;

  AVDictionary* options = nullptr;
  av_dict_set(&options, "movflags", "frag_custom+empty_moov+cmaf+default_base_moof", 0);
  av_dict_set(&options, "use_editlist", "0", 0);
  if (parameters.codec_type == AVMEDIA_TYPE_VIDEO) av_dict_set_int(&options, "video_track_timescale", timescale, 0);
  const int result = avformat_write_header(format.get(), &options);
  av_dict_free(&options);
  if (result < 0) return failed;
  avio_flush(format->pb);
  Header header{.timescale = format->streams[0]->time_base.den};
  std::uint8_t* bytes = nullptr;
  const int size = avio_get_dyn_buf(format->pb, &bytes);
  header.bytes.assign(reinterpret_cast<std::byte*>(bytes), reinterpret_cast<std::byte*>(bytes) + size);
  return header;
}

}  // namespace runnel::media_helper
