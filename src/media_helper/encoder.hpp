// Pictures to H.264 and sound to AAC, for live: no picture waits for a later one.
#pragma once
#include <expected>
#include <functional>
#include <optional>
#include <string>

#include "base/time.hpp"
#include "media_helper/ffmpeg.hpp"

struct SwrContext;
struct SwsContext;
struct AVAudioFifo;

namespace runnel::media_helper {

using Status = std::expected<void, std::string>;  // the error is for a user
using PacketSink = std::function<Status(AVPacket&)>;

struct VideoSettings {
  int width = 0;  // pixels, even
  int height = 0;
  double frame_rate = 30;     // a guess is enough: time stamps are carried
  std::int64_t bit_rate = 0;  // bits per second; 0: as the picture needs, bounded for its size
  const char* preset = "veryfast";
};

// libx264, zerolatency, an IDR each second. Packets in kBase, decoding order = display order.
class VideoEncoder {
 public:
  static constexpr AVRational kBase{1, 90'000};
  static constexpr base::Duration kIdrEvery = std::chrono::seconds{1};
  // The bit rate that is given when none is asked for.
  static std::int64_t default_bit_rate(int width, int height, double frame_rate);

  [[nodiscard]] static std::expected<VideoEncoder, std::string> open(const VideoSettings& settings);
  // Any pixel format and size; `pts` in kBase. Frames that do not advance are dropped.
  [[nodiscard]] Status encode(AVFrame& picture, std::int64_t pts, const PacketSink& sink);
  [[nodiscard]] Status finish(const PacketSink& sink);
  [[nodiscard]] const AVCodecParameters& parameters() const { return *parameters_; }

 private:
  struct FreeScaler {
    void operator()(SwsContext* s) const;
  };
  VideoEncoder() = default;
  Status drain(const PacketSink& sink);
  std::expected<AVFrame*, std::string> fitted(AVFrame& picture);

  Codec codec_;
  Parameters parameters_;
  Packet packet_ = make_packet();
  Frame scaled_ = make_frame();
  std::unique_ptr<SwsContext, FreeScaler> scaler_;
  std::int64_t last_pts_ = AV_NOPTS_VALUE;
  std::int64_t last_idr_ = AV_NOPTS_VALUE;
};

// FFmpeg's AAC-LC, 48 kHz, at most stereo. Packets in kBase.
class AudioEncoder {
 public:
  static constexpr int kSampleRate = 48'000;
  static constexpr AVRational kBase{1, kSampleRate};
  static constexpr std::int64_t kBitRate = 128'000;

  [[nodiscard]] static std::expected<AudioEncoder, std::string> open(int channels);
  // Any rate, layout and format; `pts` in kBase, of the first sample. Gaps become silence, overlaps are cut.
  [[nodiscard]] Status encode(AVFrame& sound, std::int64_t pts, const PacketSink& sink);
  [[nodiscard]] Status finish(const PacketSink& sink);
  [[nodiscard]] const AVCodecParameters& parameters() const { return *parameters_; }

 private:
  struct FreeResampler {
    void operator()(SwrContext* s) const;
  };
  struct FreeFifo {
    void operator()(AVAudioFifo* f) const;
  };
  AudioEncoder() = default;
  Status resample(AVFrame& sound);
  Status mend(std::int64_t pts);
  Status encode_whole(const PacketSink& sink);
  Status drain(const PacketSink& sink);

  Codec codec_;
  Parameters parameters_;
  Packet packet_ = make_packet();
  Frame frame_ = make_frame();
  std::unique_ptr<SwrContext, FreeResampler> resampler_;
  int source_rate_ = 0;
  int source_format_ = -1;
  int source_channels_ = 0;
  std::unique_ptr<AVAudioFifo, FreeFifo> fifo_;
  std::int64_t next_pts_ = AV_NOPTS_VALUE;  // of the first sample in the fifo
};

}  // namespace runnel::media_helper
