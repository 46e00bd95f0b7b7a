// What FFmpeg's C types need to be owned by C++ values, and its errors to be read by people.
#pragma once
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>
}

#include <memory>
#include <string>

#include "base/time.hpp"

namespace runnel::media_helper {

struct FreePacket {
  void operator()(AVPacket* p) const { av_packet_free(&p); }
};
struct FreeFrame {
  void operator()(AVFrame* f) const { av_frame_free(&f); }
};
struct FreeCodec {
  void operator()(AVCodecContext* c) const { avcodec_free_context(&c); }
};
struct FreeParameters {
  void operator()(AVCodecParameters* p) const { avcodec_parameters_free(&p); }
};
struct FreeFilter {
  void operator()(AVBSFContext* b) const { av_bsf_free(&b); }
};
struct CloseInput {
  void operator()(AVFormatContext* f) const { avformat_close_input(&f); }
};
// For muxers: their AVIOContext belongs to someone else.
struct FreeOutput {
  void operator()(AVFormatContext* f) const { avformat_free_context(f); }
};
struct FreeIo {
  void operator()(AVIOContext* io) const {
    if (io != nullptr) av_freep(&io->buffer);
    avio_context_free(&io);
  }
};
using Packet = std::unique_ptr<AVPacket, FreePacket>;
using Frame = std::unique_ptr<AVFrame, FreeFrame>;
using Codec = std::unique_ptr<AVCodecContext, FreeCodec>;
using Parameters = std::unique_ptr<AVCodecParameters, FreeParameters>;
using BitstreamFilter = std::unique_ptr<AVBSFContext, FreeFilter>;
using Input = std::unique_ptr<AVFormatContext, CloseInput>;
using Output = std::unique_ptr<AVFormatContext, FreeOutput>;
using Io = std::unique_ptr<AVIOContext, FreeIo>;

inline Packet make_packet() { return Packet{av_packet_alloc()}; }
inline Frame make_frame() { return Frame{av_frame_alloc()}; }
Parameters copy_parameters(const AVCodecParameters& from);

// Once, before anything else: how much FFmpeg says and how much it may allocate at once.
void set_up_ffmpeg();

std::string error_text(int code);

constexpr AVRational kMicroseconds{1, 1'000'000};
// Time stamps within ten years of zero, where there are any: hostile containers may claim anything, and sums must not overflow.
bool has_sane_times(const AVPacket& packet, AVRational base);

inline base::Duration to_duration(std::int64_t ticks, AVRational base) { return base::Duration{av_rescale_q(ticks, base, kMicroseconds)}; }

}  // namespace runnel::media_helper
