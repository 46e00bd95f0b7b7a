#include "media_helper/ts_muxer.hpp"

extern "C" {
#include <libavutil/opt.h>
}

#include <algorithm>
#include <cstring>
#include <utility>

#include "media_helper/composition.hpp"

namespace runnel::media_helper {
namespace {

constexpr int kIoBufferBytes = 32 << 10;
constexpr std::size_t kMaxPacketsPerChunk = 4096;        // 100 ms hold fewer than 20; hostile chunks may claim more
constexpr std::int64_t kMuxDelayMicroseconds = 200'000;  // between the clock reference and decoding: sound may come so late
constexpr std::size_t kTsPacket = 188;

// Two views, one after the other, as a seekable file.
struct Joined {
  base::ByteView first, second;
  std::size_t at = 0;

  [[nodiscard]] std::size_t size() const { return first.size() + second.size(); }
  static int read(void* self, std::uint8_t* to, int size) {
    auto& j = *static_cast<Joined*>(self);
    const base::ByteView rest = j.at < j.first.size() ? j.first.subspan(j.at) : j.second.subspan(j.at - j.first.size());
    const std::size_t take = std::min(rest.size(), static_cast<std::size_t>(size));
    if (take == 0) return AVERROR_EOF;
    std::memcpy(to, rest.data(), take);
    j.at += take;
    return static_cast<int>(take);
  }
  static std::int64_t seek(void* self, std::int64_t offset, int whence) {
    auto& j = *static_cast<Joined*>(self);
    const auto size = static_cast<std::int64_t>(j.size());
    if (whence == AVSEEK_SIZE) return size;
    const std::int64_t base = whence == SEEK_CUR ? static_cast<std::int64_t>(j.at) : whence == SEEK_END ? size : 0;
    if (offset < -base || offset > size - base) return AVERROR(EINVAL);
    j.at = static_cast<std::size_t>(base + offset);
    return base + offset;
  }
};

// An MP4 demuxer over a header and at most one chunk.
struct Source {
  Joined bytes;
  Io io;
  Input format;

  int open(base::ByteView header, base::ByteView chunk) {
    bytes = {header, chunk};
    auto* buffer = static_cast<unsigned char*>(av_malloc(kIoBufferBytes));
    io.reset(avio_alloc_context(buffer, kIoBufferBytes, 0, &bytes, &Joined::read, nullptr, &Joined::seek));
    AVFormatContext* made = avformat_alloc_context();
    made->pb = io.get();
    AVDictionary* options = nullptr;
    av_dict_set(&options, "protocol_whitelist", "none", 0);
    const int failed = avformat_open_input(&made, "", av_find_input_format("mov"), &options);
    av_dict_free(&options);
    if (failed >= 0) format.reset(made);
    return failed;
  }
};

int append(void* opaque, std::uint8_t* data, int size) {
  auto& out = *static_cast<base::Bytes*>(opaque);
  const base::ByteView view = std::as_bytes(std::span{data, static_cast<std::size_t>(size)});
  out.insert(out.end(), view.begin(), view.end());
  return size;
}

bool ts_carries(AVCodecID codec) {
  switch (codec) {  // a third party's enum of hundreds; these are what players find in TS
    case AV_CODEC_ID_H264:
    case AV_CODEC_ID_HEVC:
    case AV_CODEC_ID_AAC:
    case AV_CODEC_ID_OPUS:
    case AV_CODEC_ID_MP3:
    case AV_CODEC_ID_AC3: return true;
    default: return false;
  }
}

}  // namespace

std::expected<void, std::string> TsMuxer::init(base::ByteView header) {
  muxer_.reset();
  started_ = false;
  shift_.reset();
  header_ = base::to_bytes(header);
  Source source;
  if (source.open(header_, {}) < 0) return std::unexpected{std::string{"the stream's header cannot be read as MP4"}};
  return open_muxer(*source.format);
}

std::expected<void, std::string> TsMuxer::open_muxer(AVFormatContext& source) {
  AVFormatContext* made = nullptr;
  if (avformat_alloc_output_context2(&made, nullptr, "mpegts", nullptr) < 0) return std::unexpected{std::string{"no MPEG-TS muxer"}};
  Output muxer{made};
  out_.clear();
  std::string refused;
  for (unsigned i = 0; i < source.nb_streams; ++i) {
    const AVCodecParameters& from = *source.streams[i]->codecpar;
    const bool media = from.codec_type == AVMEDIA_TYPE_VIDEO || from.codec_type == AVMEDIA_TYPE_AUDIO;
    out_.emplace_back();
    if (!media) continue;
    if (!ts_carries(from.codec_id)) {
      refused = avcodec_get_name(from.codec_id);
      continue;
    }
    AVStream* stream = avformat_new_stream(made, nullptr);
    if (stream == nullptr || avcodec_parameters_copy(stream->codecpar, &from) < 0) return std::unexpected{std::string{"out of memory"}};
    stream->codecpar->codec_tag = 0;
    out_.back() = Out{stream, from.codec_type == AVMEDIA_TYPE_VIDEO};
  }
  if (!refused.empty()) {
    return std::unexpected{"this stream's codec (" + refused +
                           ") cannot be carried in MPEG-TS; play it from the page or as HLS (master.m3u8)"};
  }
  if (made->nb_streams == 0) return std::unexpected{std::string{"the stream has neither picture nor sound"}};
  auto* buffer = static_cast<unsigned char*>(av_malloc(kIoBufferBytes));
  io_.reset(avio_alloc_context(buffer, kIoBufferBytes, 1, &written_, nullptr, &append, nullptr));
  made->pb = io_.get();
  made->flags |= AVFMT_FLAG_CUSTOM_IO;
  made->max_delay = static_cast<int>(kMuxDelayMicroseconds);
  AVDictionary* options = nullptr;
  if (!first_epoch_) av_dict_set(&options, "mpegts_flags", "initial_discontinuity", 0);
  const int failed = avformat_write_header(made, &options);
  av_dict_free(&options);
  if (failed < 0) return std::unexpected{"the stream does not fit MPEG-TS: " + error_text(failed)};
  first_epoch_ = false;
  muxer_ = std::move(muxer);
  return {};
}

base::Bytes TsMuxer::chunk(base::ByteView bytes, bool independent) {
  if (!muxer_ || (!started_ && !independent)) return {};
  Source source;
  if (source.open(header_, bytes) < 0 || source.format->nb_streams != out_.size()) {
    started_ = false;
    return {};
  }
  std::vector<std::int64_t> least_offsets;
  for (unsigned i = 0; i < source.format->nb_streams; ++i)
    least_offsets.push_back(least_composition_offset(bytes, static_cast<std::uint32_t>(source.format->streams[i]->id)));
  std::vector<Packet> packets;
  for (Packet p = make_packet(); packets.size() < kMaxPacketsPerChunk && av_read_frame(source.format.get(), p.get()) >= 0;
       p = make_packet()) {
    if (static_cast<std::size_t>(p->stream_index) >= out_.size() || !out_[static_cast<std::size_t>(p->stream_index)]) continue;
    if (p->dts == AV_NOPTS_VALUE || p->size <= 0) continue;
    if (!has_sane_times(*p, source.format->streams[p->stream_index]->time_base)) continue;
    mend_times(*p, least_offsets[static_cast<std::size_t>(p->stream_index)]);
    packets.push_back(std::move(p));
  }
  const auto is_video = [&](const Packet& p) { return out_[static_cast<std::size_t>(p->stream_index)]->is_video; };
  if (independent) {  // a reader begins with the IDR, not with sound from just before it
    const auto first = std::ranges::find_if(packets, is_video);
    if (first != packets.end()) std::rotate(packets.begin(), first, first + 1);
    av_opt_set(muxer_->priv_data, "mpegts_flags", "+resend_headers", 0);
    started_ = true;
  }
  written_.clear();
  for (const Packet& p : packets) {
    if (!write(*p, *source.format->streams[p->stream_index])) started_ = false;
  }
  av_write_frame(muxer_.get(), nullptr);
  avio_flush(muxer_->pb);
  written_.resize(written_.size() / kTsPacket * kTsPacket);
  return std::exchange(written_, {});
}

// Presentation times as the chunk has them, without what the demuxer added; and decoding times that are never later.
void TsMuxer::mend_times(AVPacket& packet, std::int64_t least_offset) {
  Out& out = *out_[static_cast<std::size_t>(packet.stream_index)];
  if (packet.pts != AV_NOPTS_VALUE) packet.pts += least_offset;
  out.early = std::max(out.early, -least_offset);
  packet.dts -= out.early;
}

bool TsMuxer::write(AVPacket& packet, AVStream& from) {
  Out& out = *out_[static_cast<std::size_t>(packet.stream_index)];
  const base::Duration at = to_duration(packet.dts, from.time_base);
  if (!shift_) shift_ = end_ - at;
  av_packet_rescale_ts(&packet, from.time_base, out.stream->time_base);
  const std::int64_t shift = av_rescale_q(shift_->count(), kMicroseconds, out.stream->time_base);
  packet.dts += shift;
  packet.pts = packet.pts == AV_NOPTS_VALUE ? packet.dts : std::max(packet.pts + shift, packet.dts);
  if (out.last_dts != AV_NOPTS_VALUE && packet.dts <= out.last_dts) packet.dts = out.last_dts + 1;
  packet.pts = std::max(packet.pts, packet.dts);
  out.last_dts = packet.dts;
  end_ = std::max(end_, to_duration(packet.dts + packet.duration, out.stream->time_base));
  packet.stream_index = out.stream->index;
  packet.pos = -1;
  return av_write_frame(muxer_.get(), &packet) >= 0;
}

}  // namespace runnel::media_helper
