// Paths that leave the packets as they are.
#include <algorithm>
#include <cstring>

#include "media_helper/codec_string.hpp"
#include "media_helper/paths.hpp"

namespace runnel::media_helper {
namespace {

constexpr base::Duration kMaxWaitForIdr = std::chrono::seconds{12};  // OBS's longest default is 250 frames: 10 s at 25 per second
constexpr int kOpenGopsBeforeTranscoding = 3;                        // key frames that are no IDR, one after the other

void set_extradata(AVCodecParameters& parameters, base::ByteView bytes) {
  av_freep(&parameters.extradata);
  parameters.extradata_size = 0;
  parameters.extradata = static_cast<std::uint8_t*>(av_mallocz(bytes.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  if (parameters.extradata == nullptr) return;
  std::memcpy(parameters.extradata, bytes.data(), bytes.size());
  parameters.extradata_size = static_cast<int>(bytes.size());
}

base::ByteView side_data(const AVPacket& packet, AVPacketSideDataType type) {
  std::size_t size = 0;
  const std::uint8_t* data = av_packet_get_side_data(&packet, type, &size);
  return view(data, static_cast<int>(std::min<std::size_t>(size, 1U << 20)));
}

// The parameter sets among `nals`, joined again with start codes; empty if either kind is missing.
base::Bytes parameter_sets(const std::vector<base::ByteView>& nals) {
  base::Bytes out;
  bool sps = false, pps = false;
  for (const base::ByteView nal : nals) {
    const auto type = h264_nal_type(nal);
    const bool is_sps = type == static_cast<std::uint8_t>(H264Nal::sps), is_pps = type == static_cast<std::uint8_t>(H264Nal::pps);
    if (!is_sps && !is_pps) continue;
    sps |= is_sps;
    pps |= is_pps;
    for (const int zero_or_one : {0, 0, 0, 1}) out.push_back(static_cast<std::byte>(zero_or_one));
    out.insert(out.end(), nal.begin(), nal.end());
  }
  return sps && pps ? out : base::Bytes{};
}

class PassVideo final : public TrackPath {
 public:
  explicit PassVideo(const PathOptions& options) : stream_(options.stream) {
    const double rate = av_q2d(av_guess_frame_rate(options.format, stream_, nullptr));
    frame_rate_ = rate > 0 && rate < 1000 ? rate : 0;
    take_parameters();
  }

  std::expected<Taken, std::string> push(AVPacket& packet, const Emit& emit) override {
    if (packet.pts == AV_NOPTS_VALUE && stream_->codecpar->video_delay > 0) return Taken::must_transcode;
    if (const base::ByteView fresh = side_data(packet, AV_PKT_DATA_NEW_EXTRADATA); !fresh.empty() && !learn(fresh))
      return Taken::new_parameters;
    bool independent = (packet.flags & AV_PKT_FLAG_KEY) != 0;
    if (stream_->codecpar->codec_id == AV_CODEC_ID_H264) {
      const auto nals = h264_nals(view(packet), h264_length_bytes(extradata(*stream_->codecpar)));
      const bool key = independent;
      independent = std::ranges::any_of(nals, [](base::ByteView n) { return h264_nal_type(n) == static_cast<std::uint8_t>(H264Nal::idr); });
      const bool annex_b = h264_length_bytes(extradata(*stream_->codecpar)) == 0;
      if (independent && annex_b) {
        if (const base::Bytes sets = parameter_sets(nals); !sets.empty() && !learn(sets)) return Taken::new_parameters;
      }
      if (too_few_idrs(packet, key, independent)) return Taken::must_transcode;
    }
    if (!ready()) return Taken::yes;  // nothing can be decoded yet
    if (auto done = emit(packet, independent); !done) return std::unexpected{done.error()};
    return Taken::yes;
  }
  Status finish(const Emit&) override { return {}; }
  bool ready() const override { return !needs_extradata() || parameters_->extradata_size > 0; }
  PackagedTrack track() const override {
    return {parameters_.get(), stream_->time_base, describe_track(*parameters_, frame_rate_, stream_->metadata)};
  }

 private:
  [[nodiscard]] bool needs_extradata() const { return stream_->codecpar->codec_id != AV_CODEC_ID_VP9; }
  void take_parameters() {
    parameters_ = copy_parameters(*stream_->codecpar);
    if (h264_length_bytes(extradata(*parameters_)) == 0) sets_ = parameter_sets(h264_nals(extradata(*parameters_), 0));
  }
  // False: other parameters than the epoch has; the stream's codecpar has them now.
  bool learn(base::ByteView fresh) {
    const bool annex_b = stream_->codecpar->codec_id == AV_CODEC_ID_H264 && h264_length_bytes(fresh) == 0;
    if (annex_b ? base::equal(fresh, sets_) : base::equal(fresh, extradata(*parameters_))) return true;
    const bool first = !ready() || (annex_b && sets_.empty());
    set_extradata(*stream_->codecpar, fresh);
    if (!first) return false;
    take_parameters();
    return true;
  }
  // Viewers can begin only at an IDR. Open GOPs and intra refresh have points where a decoder can, which is what `key` says.
  bool too_few_idrs(const AVPacket& packet, bool key, bool idr) {
    if (idr || since_ == AV_NOPTS_VALUE) since_ = packet.dts;
    open_gops_ = idr ? 0 : open_gops_ + (key ? 1 : 0);
    const bool waited = to_duration(packet.dts - since_, stream_->time_base) > kMaxWaitForIdr;
    return open_gops_ >= kOpenGopsBeforeTranscoding || (waited && open_gops_ > 0);
  }

  AVStream* stream_;
  Parameters parameters_;
  base::Bytes sets_;  // H.264 in Annex B: the parameter sets of this epoch
  double frame_rate_ = 0;
  int open_gops_ = 0;                    // since the last IDR
  std::int64_t since_ = AV_NOPTS_VALUE;  // decode time of the last IDR, or of the first packet
};

class PassAudio final : public TrackPath {
 public:
  explicit PassAudio(const PathOptions& options) : stream_(options.stream), parameters_(copy_parameters(*stream_->codecpar)) {}

  // AAC out of TS carries its configuration in each packet; MP4 wants it once, ahead.
  Status open() {
    if (stream_->codecpar->codec_id != AV_CODEC_ID_AAC || stream_->codecpar->extradata_size > 0) return {};
    AVBSFContext* made = nullptr;
    int failed = av_bsf_alloc(av_bsf_get_by_name("aac_adtstoasc"), &made);
    filter_.reset(made);
    if (failed >= 0) failed = avcodec_parameters_copy(made->par_in, stream_->codecpar);
    if (failed >= 0) {
      made->time_base_in = stream_->time_base;
      failed = av_bsf_init(made);
    }
    if (failed < 0) return std::unexpected{"the sound (AAC) cannot be read: " + error_text(failed)};
    return {};
  }

  std::expected<Taken, std::string> push(AVPacket& packet, const Emit& emit) override {
    if (filter_) {
      // A damaged packet is left out; the stream goes on.
      if (av_bsf_send_packet(filter_.get(), &packet) < 0 || av_bsf_receive_packet(filter_.get(), &packet) < 0) return Taken::yes;
    }
    if (const base::ByteView fresh = side_data(packet, AV_PKT_DATA_NEW_EXTRADATA); !fresh.empty()) {
      if (!base::equal(fresh, extradata(*parameters_))) {
        if (parameters_->extradata_size > 0) {
          if (!filter_) set_extradata(*stream_->codecpar, fresh);
          return Taken::new_parameters;
        }
        set_extradata(*parameters_, fresh);
      }
    }
    if (!ready()) return Taken::yes;
    if (auto done = emit(packet, true); !done) return std::unexpected{done.error()};
    return Taken::yes;
  }
  Status finish(const Emit&) override { return {}; }
  bool ready() const override { return stream_->codecpar->codec_id != AV_CODEC_ID_AAC || parameters_->extradata_size > 0; }
  PackagedTrack track() const override {
    return {parameters_.get(), stream_->time_base, describe_track(*parameters_, 0, stream_->metadata)};
  }

 private:
  AVStream* stream_;
  Parameters parameters_;
  BitstreamFilter filter_;
};

}  // namespace

std::unique_ptr<TrackPath> pass_video(const PathOptions& options) { return std::make_unique<PassVideo>(options); }

std::expected<std::unique_ptr<TrackPath>, std::string> pass_audio(const PathOptions& options) {
  auto path = std::make_unique<PassAudio>(options);
  if (auto done = path->open(); !done) return std::unexpected{done.error()};
  return path;
}

bool plays_as_it_is(const AVCodecParameters& p) {
  switch (p.codec_id) {  // a third party's enum of hundreds
    case AV_CODEC_ID_H264: return p.format == AV_PIX_FMT_YUV420P || p.format == AV_PIX_FMT_YUVJ420P || p.format == AV_PIX_FMT_NONE;
    case AV_CODEC_ID_AV1: return p.extradata_size > 0;  // TS carries AV1 without the header that MP4 needs
    case AV_CODEC_ID_VP9: return p.profile <= 0 || p.profile == 2;
    case AV_CODEC_ID_AAC:
      return p.profile == FF_PROFILE_UNKNOWN || p.profile == FF_PROFILE_AAC_LOW || p.profile == FF_PROFILE_AAC_HE ||
             p.profile == FF_PROFILE_AAC_HE_V2;
    case AV_CODEC_ID_OPUS: return p.extradata_size > 0;
    default: return false;
  }
}

std::expected<std::unique_ptr<TrackPath>, std::string> make_video_path(const PathOptions& options) {
  if (!options.transcode && plays_as_it_is(*options.stream->codecpar)) return pass_video(options);
  return encode_video(options);
}

std::expected<std::unique_ptr<TrackPath>, std::string> make_audio_path(const PathOptions& options) {
  if (!options.transcode && plays_as_it_is(*options.stream->codecpar)) return pass_audio(options);
  return encode_audio(options);
}

}  // namespace runnel::media_helper
