#include "media_helper/film.hpp"

#include <algorithm>

#include "media_helper/audio_transcode.hpp"
#include "media_helper/codec_string.hpp"
#include "media_helper/demand_segment.hpp"
#include "media_helper/init_segment.hpp"
#include "media_helper/sample_bytes.hpp"
#include "media_helper/video_transcode.hpp"
#include "media_helper/webvtt.hpp"

namespace runnel::media_helper {
namespace {

constexpr std::int32_t kVideoTimescale = 90'000;     // divides every usual frame time, and milliseconds
constexpr int kLeastTimescale = 10'000;
constexpr int kLargestTimescale = 240'000;

// The container's own time base where it is fine enough, so that nothing is rounded.
std::int32_t timescale_of(const StreamFacts& stream) {
  if (stream.parameters->codec_type == AVMEDIA_TYPE_AUDIO) return stream.parameters->sample_rate;
  const AVRational base = stream.time_base;
  return base.num == 1 && base.den >= kLeastTimescale && base.den <= kLargestTimescale ? base.den : kVideoTimescale;
}

std::span<const std::uint8_t> octets(base::ByteView bytes) { return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}; }

}  // namespace

// One track as it is served.
class Film::Track {
 public:
  virtual ~Track() = default;
  // nullptr: the track has none.
  [[nodiscard]] virtual const Header* header() const = 0;
  [[nodiscard]] virtual std::expected<base::Bytes, DemandError> segment(FilmReader& reader, std::uint32_t number) = 0;
};

namespace {

// CutSegment to moof + mdat. A track that has nothing in a segment gives a fragment without samples.
base::Bytes to_bytes(const CutSegment& cut, std::uint32_t number) {
  return write_fragment({.sequence = number + 1, .decode_time = std::max<std::int64_t>(cut.decode_time, 0)}, cut.samples);
}

}  // namespace

class Film::CopyVideo : public Film::Track {
 public:
  CopyVideo(int stream, Header header) : stream_(stream), header_(std::move(header)) {}
  [[nodiscard]] const Header* header() const override { return &header_; }
  [[nodiscard]] std::expected<base::Bytes, DemandError> segment(FilmReader& reader, std::uint32_t number) override {
    const auto cut = cut_video(reader, stream_, header_.timescale, number);
    if (!cut) return std::unexpected{cut.error()};
    return to_bytes(*cut, number);
  }

 private:
  int stream_;
  Header header_;
};

class Film::CopyAudio : public Film::Track {
 public:
  CopyAudio(int stream, Header header, std::optional<SilentFrame> silent)
      : stream_(stream), header_(std::move(header)), silent_(std::move(silent)) {}
  [[nodiscard]] const Header* header() const override { return &header_; }
  [[nodiscard]] std::expected<base::Bytes, DemandError> segment(FilmReader& reader, std::uint32_t number) override {
    const auto cut = cut_audio(reader, stream_, header_.timescale, number, silent_ ? &*silent_ : nullptr);
    if (!cut) return std::unexpected{cut.error()};
    return to_bytes(*cut, number);
  }

 private:
  int stream_;
  Header header_;
  std::optional<SilentFrame> silent_;
};

// Converts with a VideoTranscoder or an AudioTranscoder.
template <class Transcoder>
class Film::ConvertedTrack : public Film::Track {
 public:
  ConvertedTrack(int stream, Header header, std::unique_ptr<Transcoder> transcoder)
      : stream_(stream), header_(std::move(header)), transcoder_(std::move(transcoder)) {}
  [[nodiscard]] const Header* header() const override { return &header_; }
  [[nodiscard]] std::expected<base::Bytes, DemandError> segment(FilmReader& reader, std::uint32_t number) override {
    const auto cut = transcoder_->cut(reader, stream_, number);
    if (!cut) return std::unexpected{cut.error()};
    return to_bytes(*cut, number);
  }

 private:
  int stream_;
  Header header_;
  std::unique_ptr<Transcoder> transcoder_;
};

class Film::TextTrack : public Film::Track {
 public:
  explicit TextTrack(int stream) : stream_(stream) {}
  [[nodiscard]] const Header* header() const override { return nullptr; }
  [[nodiscard]] std::expected<base::Bytes, DemandError> segment(FilmReader& reader, std::uint32_t number) override {
    return cut_text(reader, stream_, number);
  }

 private:
  int stream_;
};

Film::Film() = default;
Film::~Film() = default;

std::expected<std::unique_ptr<Film>, DemandError> Film::open(RandomReader& reader, FilmReader::Options options) {
  std::unique_ptr<Film> film{new Film};
  auto opened = FilmReader::open(reader, std::move(options));
  if (!opened) return std::unexpected{opened.error()};
  film->reader_ = std::move(*opened);
  film->make_tracks();
  if (std::ranges::none_of(film->index_.tracks, [](const auto& t) { return t.kind != media::TrackKind::subtitle; })) {
    return std::unexpected{DemandError::no_tracks};
  }
  const FilmIndex& index = film->reader_->film();
  film->index_.duration = base::Duration{index.duration_us};
  for (std::size_t i = 0; i < index.cuts.size(); ++i) {
    const std::int64_t end = i + 1 < index.cuts.size() ? index.cuts[i + 1].time_us : std::max(index.duration_us, index.cuts[i].time_us);
    film->index_.segments.push_back({base::Duration{index.cuts[i].time_us}, base::Duration{end - index.cuts[i].time_us}});
  }
  return film;
}

// What cannot be served after all (an encoder that does not open, parameters that make no MP4 track) is left out.
void Film::make_tracks() {
  for (const SourceTrack& source : reader_->film().tracks) {
    media::TrackInfo info = source.info;
    auto track = make_track(source, info);
    if (!track) continue;
    tracks_.push_back(std::move(track));
    index_.tracks.push_back(std::move(info));
  }
}

std::unique_ptr<Film::Track> Film::make_track(const SourceTrack& source, media::TrackInfo& info) {
  const StreamFacts& stream = reader_->stream(source.stream);
  if (source.delivery == Delivery::text) return std::make_unique<TextTrack>(source.stream);
  if (source.delivery == Delivery::copy) {
    const Parameters parameters = copy_parameters(*stream.parameters);
    if (lacks_configuration(*parameters) && !add_aac_configuration(*parameters)) return nullptr;
    auto header = write_header(*parameters, timescale_of(stream), octets(stream.display_matrix));
    if (!header) return nullptr;
    info.codecs = codec_string(*parameters, info.frame_rate);
    if (info.kind == media::TrackKind::video) return std::make_unique<CopyVideo>(source.stream, std::move(*header));
    return std::make_unique<CopyAudio>(source.stream, std::move(*header), make_silent_frame(*parameters));
  }
  return info.kind == media::TrackKind::video ? convert<VideoTranscoder>(source.stream, info)
                                              : convert<AudioTranscoder>(source.stream, info);
}

template <class Transcoder>
std::unique_ptr<Film::Track> Film::convert(int stream, media::TrackInfo& info) {
  const StreamFacts& facts = reader_->stream(stream);
  auto transcoder = Transcoder::create(facts);
  if (!transcoder) return nullptr;
  const AVCodecParameters& output = (*transcoder)->output();
  auto header = write_header(output, (*transcoder)->timescale(), octets(facts.display_matrix));
  if (!header) return nullptr;
  info.codecs = codec_string(output, info.frame_rate);
  info.bit_rate = static_cast<std::uint64_t>(output.bit_rate);
  if (info.kind == media::TrackKind::video) {
    info.width = static_cast<std::uint32_t>(output.width);
    info.height = static_cast<std::uint32_t>(output.height);
  } else {
    info.sample_rate = static_cast<std::uint32_t>(output.sample_rate);
    info.channels = static_cast<std::uint32_t>(output.ch_layout.nb_channels);
  }
  return std::make_unique<ConvertedTrack<Transcoder>>(stream, std::move(*header), std::move(*transcoder));
}

bool Film::wants_index() const {
  const FilmIndex& film = reader_->film();
  const bool searched = film.seek_by == SeekBy::demuxer_search || film.seek_by == SeekBy::sync_search;
  return searched && film.positions_work;
}

std::expected<base::Bytes, DemandError> Film::init(std::uint32_t track) {
  if (track >= tracks_.size() || tracks_[track]->header() == nullptr) return std::unexpected{DemandError::no_such_track};
  return tracks_[track]->header()->bytes;
}

std::expected<base::Bytes, DemandError> Film::segment(std::uint32_t track, std::uint32_t number) {
  if (track >= tracks_.size()) return std::unexpected{DemandError::no_such_track};
  if (number >= index_.segments.size()) return std::unexpected{DemandError::no_such_segment};
  return tracks_[track]->segment(*reader_, number);
}

}  // namespace runnel::media_helper
