#include "media_helper/ffmpeg.hpp"

extern "C" {
#include <libavutil/log.h>
#include <libavutil/mem.h>
}

#include <array>
#include <cmath>
#include <new>

namespace runnel::media_helper {
namespace {

// One allocation that hostile media may ask for. A decoded 8K picture with 10 bits is 100 MB.
constexpr std::size_t kMaxAllocation = 256U << 20;

}  // namespace

void set_up_ffmpeg() {
  av_log_set_level(AV_LOG_ERROR);
  av_max_alloc(kMaxAllocation);
  avformat_network_init();
}

Parameters copy_parameters(const AVCodecParameters& from) {
  Parameters to{avcodec_parameters_alloc()};
  if (!to || avcodec_parameters_copy(to.get(), &from) < 0) throw std::bad_alloc{};
  return to;
}

bool has_sane_times(const AVPacket& packet, AVRational base) {
  constexpr double kTenYears = 315'360'000;  // seconds
  const auto sane = [&](std::int64_t t) { return t == AV_NOPTS_VALUE || std::abs(static_cast<double>(t) * av_q2d(base)) < kTenYears; };
  return base.num > 0 && base.den > 0 && sane(packet.dts) && sane(packet.pts) && packet.duration >= 0 && sane(packet.duration);
}

std::string error_text(int code) {
  if (code == AVERROR_EXIT) return "nothing came in time";  // our own deadlines; FFmpeg says "Immediate exit requested"
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  return text.data();
}

}  // namespace runnel::media_helper
